"""Merging the overlapping masks of a slice into one label map."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.masks.painting import MAX_REGIONS, paint
from fewshot.masks.predicted import SliceMasks

Background = Literal["keep", "nearest"]
_Label = TypeVar("_Label", bound=np.integer[Any])


@dataclass(frozen=True)
class MergeRule:
    """How masks become a label map.

    Masks below `score_threshold` and regions smaller than `min_area` pixels are dropped. With
    `background="nearest"` every pixel outside all regions takes the id of the nearest region,
    which raises the foreground Rand index and lowers the one over all pixels.
    """

    score_threshold: float = 0.5
    min_area: int = 0
    background: Background = "keep"


def merge_masks(masks: SliceMasks, rule: MergeRule) -> NDArray[np.uint8]:
    """Return the (height, width) uint8 label map of the masks of a slice.

    An overlap belongs to the mask with the higher score; see `SliceMasks.to_label_map`.
    """
    merged = masks.above(rule.score_threshold).to_label_map(rule.min_area)
    return fill_nearest(merged) if rule.background == "nearest" else merged


def merge_structures(masks: SliceMasks, rule: MergeRule) -> NDArray[np.uint16]:
    """Return the (height, width) uint16 map of a slice's structures, merged like `merge_masks`.

    Masks of one structure become one region. Without structures, ids are those of `merge_masks`.
    """
    kept = masks.above(rule.score_threshold)
    most = max(len(kept), 1) if masks.structures else MAX_REGIONS
    size = (kept.height, kept.width)
    label_map, rows = paint(kept.rles, kept.scores, size, rule.min_area, most)
    if masks.structures:
        names = np.array([0, *(kept.structures[row] for row in rows)], dtype=np.uint16)
        label_map = names[label_map]
    merged = np.ascontiguousarray(label_map)
    return fill_nearest(merged) if rule.background == "nearest" else merged


def fill_nearest(label_map: NDArray[_Label]) -> NDArray[_Label]:
    """Return the label map with every 0 replaced by the nearest non-zero id (Euclidean distance).

    A label map of zeros only is returned unchanged.

    >>> fill_nearest(np.array([[1, 0, 0, 0, 2]])).tolist()
    [[1, 1, 1, 2, 2]]
    """
    if not label_map.any():
        return label_map.copy()
    rows, columns = ndimage.distance_transform_edt(
        label_map == 0, return_distances=False, return_indices=True
    )
    filled: NDArray[_Label] = label_map[rows, columns]
    return filled
