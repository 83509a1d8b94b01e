"""Automatic masks: regions from the filtered masks of a grid of point prompts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from segment_anything.utils.amg import build_point_grid, calculate_stability_score

from fewshot.config.sam import AutomaticMaskSettings
from fewshot.masks import rle as rle_codec
from fewshot.masks.predicted import SliceMasks
from fewshot.sam import frames
from fewshot.sam.decoder import ask, in_parts
from fewshot.sam.frames import Size
from fewshot.sam.model import SamModel
from fewshot.sam.prompts import Prompts

_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class _Found:
    """Masks, bool (n, height, width), and their scores, (n,)."""

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]

    def keep(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "_Found":
        return _Found(self.masks[rows], self.scores[rows])


def automatic_masks(
    model: SamModel,
    features: torch.Tensor,
    image_id: int,
    image: NDArray[np.uint8],
    settings: AutomaticMaskSettings,
) -> SliceMasks:
    """Return the regions that the network finds on a slice without prompts; they do not overlap.

    Args:
        model: the network.
        features: the slice's embedding.
        image_id: of the slice.
        image: its grey values, (height, width), to find the background.
        settings: thresholds and overlaps.

    Returns:
        Masks with quality times stability as scores, best first. Overlaps are resolved by area and
        score (ties: the order of the grid), so the result is deterministic.
    """
    size: Size = image.shape[0], image.shape[1]
    found = _candidates(model, features, size, settings)
    found = found.keep(_wanted(found.masks, image, settings))
    found = found.keep(_without_doubles(found, settings.max_overlap))
    found = _without_overlap(found, settings)
    rles = tuple(rle_codec.encode_stack(found.masks))
    boxes = rle_codec.boxes(rles)
    return SliceMasks.from_stack(image_id, found.masks, found.scores, boxes, model.name)


def _candidates(
    model: SamModel, features: torch.Tensor, size: Size, settings: AutomaticMaskSettings
) -> _Found:
    grid = build_point_grid(settings.points_per_side) * [size[1], size[0]]
    points = grid.astype(np.float32)[:, None]
    masks, scores = [np.zeros((0, *size), dtype=bool)], [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(points), _AT_ONCE):
        part = points[start : start + _AT_ONCE]
        prompts = Prompts(points=part, labels=np.ones((len(part), 1), dtype=np.int32))
        with torch.inference_mode():
            answer = ask(model, features, prompts, size, outputs="three")
            quality = answer.quality.flatten()
            good = quality >= settings.min_quality
            # Only candidates are enlarged to the slice's size.
            chosen = in_parts(answer.low.flatten(0, 1)[good][:, None])
            for low, part in zip(chosen, in_parts(quality[good]), strict=True):
                logits = frames.to_slice(model, low, size)[:, 0]
                stability = calculate_stability_score(logits, 0.0, 1.0)
                stable = stability >= settings.min_stability
                masks.append((logits[stable] > 0).cpu().numpy())
                scores.append((part * stability)[stable].clamp(0, 1).cpu().numpy())
    return _Found(np.concatenate(masks), np.concatenate(scores))


def _wanted(
    masks: NDArray[np.bool_], image: NDArray[np.uint8], settings: AutomaticMaskSettings
) -> NDArray[np.bool_]:
    """Return which masks have an allowed size, border and background."""
    area = masks.sum(axis=(1, 2))
    edge = np.zeros(image.shape, dtype=bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    border = (masks & edge).sum(axis=(1, 2)) / edge.sum()
    outside = (masks & _background(image, settings.background_grey)).sum(axis=(1, 2))
    wanted: NDArray[np.bool_] = (
        (area >= max(1, settings.min_area * image.size))
        & (area <= settings.max_area * image.size)
        & (border <= settings.max_border)
        & (outside <= settings.max_background * area)
    )
    return wanted


def _background(image: NDArray[np.uint8], grey: int) -> NDArray[np.bool_]:
    """Return the dark pixels connected to the slice's border."""
    parts, _ = ndimage.label(image <= grey)
    rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    background: NDArray[np.bool_] = np.isin(parts, rim[rim > 0])
    return background


def _without_doubles(found: _Found, most: float) -> NDArray[np.intp]:
    """Return the rows of masks with no similar better one, best first."""
    rles = rle_codec.encode_stack(found.masks)
    table = rle_codec.iou(rles, rles)
    kept: list[int] = []
    for row in np.argsort(-found.scores, kind="stable"):
        if not any(table[row, other] > most for other in kept):
            kept.append(int(row))
    return np.array(kept, dtype=np.intp)


def _without_overlap(found: _Found, settings: AutomaticMaskSettings) -> _Found:
    """Return disjoint masks, best first; masks that become too small are dropped."""
    areas = found.masks.sum(axis=(1, 2))
    order = np.lexsort(
        (-found.scores, areas if settings.overlap == "smaller" else np.zeros(len(areas)))
    )
    taken = np.zeros(found.masks.shape[1:], dtype=bool)
    masks, rows = found.masks.copy(), []
    least = max(1, settings.min_area * taken.size)
    for row in order:
        masks[row] &= ~taken
        if masks[row].sum() >= least:
            taken |= masks[row]
            rows.append(int(row))
    rows.sort(key=lambda row: (-float(found.scores[row]), row))
    return _Found(masks, found.scores).keep(np.array(rows, dtype=np.intp))
