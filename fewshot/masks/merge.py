"""Merging the overlapping masks of a slice into one label map."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, decode

_MAX_REGIONS = 255

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

    Masks take their pixels in order of score, highest first (ties: larger area first, then the
    given order), and only pixels that no mask before took: an overlap belongs to the better mask
    and never becomes a region of its own. A mask of which no pixel, or fewer than `min_area`,
    stay visible is dropped and leaves its pixels free. Ids run from 1 in that order; after 255
    regions the rest, the lowest scores, is dropped.
    """
    kept = masks.above(rule.score_threshold)
    label_map, _ = _merged(kept, rule, _MAX_REGIONS)
    merged = label_map.astype(np.uint8, order="C")
    return fill_nearest(merged) if rule.background == "nearest" else merged


def label_map_of(masks: SliceMasks) -> NDArray[np.uint8]:
    """Return the label map of all masks of a slice, whatever their scores, as of labels."""
    return merge_masks(masks, MergeRule(score_threshold=0.0))


def merge_structures(masks: SliceMasks, rule: MergeRule) -> NDArray[np.uint16]:
    """Return the (height, width) uint16 map of the structures of a slice, merged as `merge_masks`.

    Masks of one structure become one region. Without structures the ids are those of
    `merge_masks`.
    """
    kept = masks.above(rule.score_threshold)
    label_map, rows = _merged(kept, rule, _MAX_REGIONS if not masks.structures else len(kept))
    if masks.structures:
        names = np.array([0, *(kept.structures[row] for row in rows)], dtype=np.uint16)
        label_map = names[label_map]
    merged = np.ascontiguousarray(label_map)
    return fill_nearest(merged) if rule.background == "nearest" else merged


def _merged(kept: SliceMasks, rule: MergeRule, most: int) -> tuple[NDArray[np.uint16], list[int]]:
    """Return regions from 1 on by score, column order, and the row of the mask of each."""
    # Column order, like decoded RLEs: the loop below is twice as fast on equal layouts.
    label_map = np.zeros((kept.height, kept.width), dtype=np.uint16, order="F")
    rows: list[int] = []
    corners = boxes(kept.rles).astype(np.int64)
    for index in np.lexsort((-kept.areas(), -kept.scores)):
        left, top, right, bottom = corners[index]
        where = np.s_[top:bottom, left:right]
        visible = decode(kept.rles[index])[where] & (label_map[where] == 0)
        if np.count_nonzero(visible) < max(rule.min_area, 1):
            continue
        rows.append(int(index))
        label_map[where][visible] = len(rows)
        if len(rows) == most:
            break
    return label_map, rows


def fill_nearest(label_map: NDArray[_Label]) -> NDArray[_Label]:
    """Return the label map with every 0 replaced by the nearest non-zero id (Euclidean distance).

    A label map of zeros only is returned unchanged.
    """
    if not label_map.any():
        return label_map.copy()
    rows, columns = ndimage.distance_transform_edt(
        label_map == 0, return_distances=False, return_indices=True
    )
    filled: NDArray[_Label] = label_map[rows, columns]
    return filled
