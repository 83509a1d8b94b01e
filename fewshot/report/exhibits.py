"""The slices that the report shows: chosen, scored and drawn from the run's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import score_slice
from fewshot.report.gallery import Exhibit, choose_slices, comparison, soft_labels, spread
from fewshot.report.numbers import decimals
from fewshot.slices.images import read_image

_MOST_SLICES = 12
_MOST_SOFT = 6
_AS_LABELLED = MergeRule(score_threshold=0.0)

LabelMap = NDArray[np.uint8]


@dataclass(frozen=True)
class Gallery:
    """Every slice's score under the submission metric, and some slices in groups by score."""

    scores: tuple[float, ...]
    groups: tuple[tuple[str, tuple[Exhibit, ...]], ...]


def read_gallery(truth: Path, predictions: Path, rule: MergeRule, metric: Metric) -> Gallery | None:
    """Return the worst, median and best slices of the final model; None without the files.

    Args:
        truth: COCO file of labelled slices.
        predictions: COCO file of the masks predicted on them, with scores.
        rule: how the masks become label maps.
        metric: the variant to rank by.
    """
    if not truth.is_file() or not predictions.is_file():
        return None
    labels, masks = read_coco(truth), read_coco(predictions).masks
    scores = {
        record.image_id: score_slice(*_label_maps(labels, masks, record, rule))
        for record in labels.records
    }
    ranking = {
        image_id: score.foreground if metric == "foreground" else score.all_pixels
        for image_id, score in scores.items()
    }
    records = {record.image_id: record for record in labels.records}

    def exhibit(image_id: int) -> Exhibit:
        score, record = scores[image_id], records[image_id]
        image, remark = _image(labels, record)
        true, merged = _label_maps(labels, masks, record, rule)
        # Filling gives every pixel away, and its outlines would say nothing about the masks.
        _, drawn = _label_maps(labels, masks, record, replace(rule, background="keep"))
        panels = comparison(image, true, merged, drawn, foreground=metric == "foreground")
        values = (
            f"all pixels {decimals(score.all_pixels)} · foreground {decimals(score.foreground)}"
        )
        return Exhibit(record.file_name, values + remark, panels)

    groups = [
        (title, tuple(exhibit(image_id) for image_id in image_ids))
        for title, image_ids in choose_slices(ranking, _MOST_SLICES)
    ]
    return Gallery(tuple(ranking.values()), tuple(groups))


def read_soft_exhibits(path: Path) -> list[Exhibit]:
    """Return some soft-labelled slices, from the least to the most certain; empty without any."""
    if not path.is_file():
        return []
    soft = read_coco(path)
    labelled = [record for record in soft.records if len(soft.masks_of(record.image_id))]
    certainty = {
        record.image_id: float(soft.masks_of(record.image_id).scores.mean()) for record in labelled
    }
    ranked = sorted(range(len(labelled)), key=lambda row: certainty[labelled[row].image_id])
    return [_soft_exhibit(soft, labelled[row]) for row in spread(ranked, _MOST_SOFT)]


def _label_maps(
    labels: SliceSet, masks: Mapping[int, SliceMasks], record: SliceRecord, rule: MergeRule
) -> tuple[LabelMap, LabelMap]:
    """Return a slice's true label map, and the one that a rule makes of its predicted masks."""
    true = merge_masks(labels.masks_of(record.image_id), _AS_LABELLED)
    found = masks.get(record.image_id)
    return true, merge_masks(found, rule) if found is not None else np.zeros_like(true)


def _soft_exhibit(soft: SliceSet, record: SliceRecord) -> Exhibit:
    masks = soft.masks_of(record.image_id)
    image, remark = _image(soft, record)
    count = "1 mask" if len(masks) == 1 else f"{len(masks)} masks"
    note = f"{count} by {_names(masks.sources)}, scores {_span(masks.scores)}{remark}"
    return Exhibit(record.file_name, note, soft_labels(image, masks.decode()))


def _image(slices: SliceSet, record: SliceRecord) -> tuple[NDArray[np.uint8], str]:
    """Return a slice's image and no remark; or black, and the remark that there is no image."""
    try:
        image = read_image(slices.path_of(record))
    except InputError:
        return np.zeros((record.height, record.width), np.uint8), " · its image cannot be read"
    if image.shape != (record.height, record.width):
        raise InputError(
            f"{slices.path_of(record)}: is {image.shape[0]} x {image.shape[1]}, its masks are "
            f"{record.height} x {record.width}; give the images that the run was made with"
        )
    return image, ""


def _names(sources: Sequence[str]) -> str:
    return ", ".join(sorted(set(sources)))


def _span(scores: NDArray[np.float32]) -> str:
    low, high = f"{scores.min():.2f}", f"{scores.max():.2f}"
    return low if low == high else f"{low} to {high}"
