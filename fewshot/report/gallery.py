"""Slices with outlines of true and predicted regions, as small PNG data URIs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fewshot.report.drawing import data_uri

LabelMap = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SIDE = 288  # pixels of the longer side
_GREYS = 64
_UNPAIRED = 0
# White for regions without a partner, then Okabe and Ito's colours without those that are too dark
# for a grey slice.
_COLORS = ("#FFFFFF", "#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#00C08B", "#FF7F2A")
_PAIR_IOU = 0.5


@dataclass(frozen=True)
class Panel:
    """One image: a PNG data URI, its size in pixels, a caption, and the text instead of it."""

    source: str
    width: int
    height: int
    caption: str
    alt: str


@dataclass(frozen=True)
class Exhibit:
    """A slice: its name, a few words on it, and its panels side by side."""

    title: str
    note: str
    panels: tuple[Panel, ...]


def comparison(
    image: NDArray[np.uint8],
    truth: LabelMap,
    prediction: LabelMap,
    drawn: LabelMap,
    *,
    foreground: bool,
) -> tuple[Panel, Panel]:
    """Return the outlines of the true and of the predicted regions of a slice.

    Regions that overlap with IoU above 0.5 share a colour; the others are white. With
    `foreground`, pixels that the truth leaves unlabelled do not count for that.

    Args:
        image: grey values, (height, width).
        truth: label map of the same size; 0 is background.
        prediction: label map of the same size, by which regions are paired.
        drawn: label map of the same size with the same ids, of which the outlines are drawn.
        foreground: pair regions as the foreground metric sees them.
    """
    pairs = pair_regions(truth, np.where(truth > 0, prediction, 0) if foreground else prediction)
    color = {pair: 1 + number % (len(_COLORS) - 1) for number, pair in enumerate(pairs)}
    of_truth = {true: chosen for (true, _), chosen in color.items()}
    of_prediction = {predicted: chosen for (_, predicted), chosen in color.items()}
    true_regions, predicted_regions = _regions(truth, of_truth), _regions(drawn, of_prediction)
    return (
        _panel(image, true_regions, "truth", f"true regions outlined, {len(true_regions)}"),
        _panel(
            image,
            predicted_regions,
            "final",
            f"predicted regions outlined, {len(predicted_regions)}, of which {len(pairs)} have a "
            "true partner",
        ),
    )


def soft_labels(image: NDArray[np.uint8], masks: NDArray[np.bool_]) -> tuple[Panel, Panel]:
    """Return a slice as it is, and with the outlines of its masks, (masks, height, width)."""
    colored = [(mask, 1 + row % (len(_COLORS) - 1)) for row, mask in enumerate(masks)]
    return (
        _panel(image, [], "slice", "without outlines"),
        _panel(image, colored, "soft labels", f"masks outlined, {len(colored)}"),
    )


def pair_regions(truth: LabelMap, prediction: LabelMap) -> list[tuple[int, int]]:
    """Return (true id, predicted id) of regions that overlap with IoU above 0.5.

    Within label maps no region can have two such partners. Ascending in the true id.
    """
    codes = truth.astype(np.int64) * 256 + prediction
    shared = np.bincount(codes.ravel(), minlength=256 * 256).reshape(256, 256)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    iou = (shared / np.maximum(union, 1))[1:, 1:]
    return [(int(true) + 1, int(found) + 1) for true, found in np.argwhere(iou > _PAIR_IOU)]


def choose_slices(scores: Mapping[int, float], most: int) -> list[tuple[str, list[int]]]:
    """Return the ids of the worst, the median and the best slices, each group by rising score.

    At most `most` slices in all, at least 3, and none twice. Fewer than three slices are one group.
    """
    ranked = sorted(scores, key=lambda image_id: (scores[image_id], image_id))
    count = len(ranked)
    if count < 3:
        return [("All", ranked)] if ranked else []
    if count <= most:
        worst, median, best = (part.tolist() for part in np.array_split(np.array(ranked), 3))
    else:
        each = most // 3
        start = (count - each) // 2
        worst, median, best = ranked[:each], ranked[start : start + each], ranked[-each:]
    return [("Worst", worst), ("Median", median), ("Best", best)]


def spread(ranked: Sequence[int], most: int) -> list[int]:
    """Return at most `most` items of a ranking, evenly from its first to its last."""
    chosen = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [ranked[index] for index in chosen]


def _regions(label_map: LabelMap, colors: Mapping[int, int]) -> list[tuple[Mask, int]]:
    ids = np.unique(label_map[label_map > 0]).tolist()
    return [(label_map == label, colors.get(label, _UNPAIRED)) for label in ids]


def _panel(
    image: NDArray[np.uint8], regions: Sequence[tuple[Mask, int]], caption: str, alt: str
) -> Panel:
    height, width = image.shape
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    codes = (np.asarray(grey) // (256 // _GREYS)).astype(np.uint8)
    for mask, color in regions:
        enlarged = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        # The slice's own edge is no outline.
        inside = ndimage.binary_erosion(enlarged, iterations=2, border_value=1)
        codes[enlarged & ~inside] = _GREYS + color
    return Panel(_png(codes), size[0], size[1], caption, alt)


def _png(codes: NDArray[np.uint8]) -> str:
    """Return palette codes as PNG; a palette of 64 greys makes it half as large as RGB would."""
    greys = [round(level * 255 / (_GREYS - 1)) for level in range(_GREYS) for _ in range(3)]
    colors = [int(color[at : at + 2], 16) for color in _COLORS for at in (1, 3, 5)]
    image = Image.fromarray(codes)
    image.putpalette(greys + colors)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())
