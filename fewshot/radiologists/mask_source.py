"""Masks with the structures of one model and the pixels of another.

Detectors find the structures; a semantic network finds their boundaries better. Its foreground is
divided among the detected structures. Where both find a structure, the network's boundary is used;
where only one does, soft labels ignore the region, and predictions keep the detector's mask.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack
from fewshot.slices.arrays import Mask

_REACH = 0.04  # maximum distance of foreground from its structure, per longer side of the slice
MASK_SOURCE = "mask_source"


def divide_foreground(
    structures: SliceMasks, doubtful: SliceMasks, foreground: SliceMasks
) -> tuple[SliceMasks, SliceMasks]:
    """Return the structures with the pixels of a foreground, and uncertain regions.

    A foreground pixel belongs to the structure that contains it, of several to that with the best
    score, or to the nearest one within 4 % of the slice's longer side. Uncertain are foreground
    further away, structures without foreground, and doubtful masks of which less than half is in a
    structure: the others repeat a known one, and ignoring their boundaries would teach too large
    contours. Regions below half of that distance squared are dropped.

    Args:
        structures: detected structures, with scores.
        doubtful: masks that may or may not be structures.
        foreground: masks of the same slice whose union is the foreground.
    """
    least = _reach_of(structures) ** 2 / 2
    inside = _union(foreground)
    claimed, shared = _shares(structures, inside)
    areas = _areas(shared, len(structures))
    rows = np.flatnonzero(areas >= least)
    kept = structures.select(rows.tolist())
    stack = shared == rows.astype(np.int32).reshape(-1, 1, 1) + 1
    certain = _with_masks(kept, stack, kept.scores, kept.sources)
    parts, _ = ndimage.label(inside & ~stack.any(axis=0))
    sizes = np.bincount(parts.ravel())[1:]
    beyond = parts == 1 + np.flatnonzero(sizes >= least).reshape(-1, 1, 1)
    lost = claimed == 1 + np.flatnonzero(areas < least).reshape(-1, 1, 1)
    regions = np.concatenate([beyond, lost[lost.sum(axis=(1, 2)) >= least]])
    count = len(regions)
    unsettled = _with_masks(kept, regions, np.zeros(count, np.float32), (MASK_SOURCE,) * count)
    return certain, _not_drawn_again(doubtful, claimed > 0).joined(unsettled)


def refine_masks(masks: SliceMasks, foreground: SliceMasks) -> SliceMasks:
    """Return predicted masks with the pixels of a foreground; scores and order are unchanged.

    The foreground is divided as by `divide_foreground`. A mask that would keep less than half of
    the pixels that only it has is left unchanged: the foreground misses its structure.

    Args:
        masks: predictions with scores; they may overlap.
        foreground: masks of the same slice whose union is the foreground.
    """
    claimed, shared = _shares(masks, _union(foreground))
    before, after = _areas(claimed, len(masks)), _areas(shared, len(masks))
    stack = masks.decode()
    for row in np.flatnonzero(2 * after >= np.maximum(before, 1)):
        stack[row] = shared == row + 1
    return _with_masks(masks, stack, masks.scores, masks.sources)


def _shares(structures: SliceMasks, inside: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the structure at each pixel before and after division of the foreground `inside`.

    Both are (height, width): 1 + the structure's row, or 0 for none.
    """
    claimed = _claims(structures)
    return claimed, np.where(inside, _nearest_within(claimed, _reach_of(structures)), 0)


def _union(masks: SliceMasks) -> Mask:
    union: Mask = np.logical_or.reduce(masks.decode(), axis=0)
    return union


def _reach_of(masks: SliceMasks) -> int:
    return max(1, round(_REACH * max(masks.height, masks.width)))


def _areas(claimed: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """Return the number of pixels of each of `count` structures."""
    return np.bincount(claimed.ravel(), minlength=count + 1)[1:]


def _not_drawn_again(doubtful: SliceMasks, known: Mask) -> SliceMasks:
    """Return the masks of which less than half is in known structures."""
    masks = doubtful.decode()
    inside = (masks & known).sum(axis=(1, 2))
    return doubtful.select(np.flatnonzero(2 * inside < masks.sum(axis=(1, 2))).tolist())


def _with_masks(
    of: SliceMasks, masks: Mask, scores: NDArray[np.float32], sources: tuple[str, ...]
) -> SliceMasks:
    """Return masks, bool (masks, height, width), as masks of the same slice as `of`."""
    rles = tuple(encode_stack(masks))
    return SliceMasks(of.image_id, of.height, of.width, scores, boxes(rles), rles, sources)


def _claims(structures: SliceMasks) -> NDArray[np.int32]:
    """Return the structure at each pixel, (height, width): 1 + its row, or 0 for none."""
    claimed = np.zeros((structures.height, structures.width), dtype=np.int32)
    masks = structures.decode()
    for row in np.argsort(-structures.scores, kind="stable"):
        claimed[masks[row] & (claimed == 0)] = row + 1
    return claimed


def _nearest_within(claimed: NDArray[np.int32], reach: int) -> NDArray[np.int32]:
    if not claimed.any():
        return claimed
    distance, (rows, columns) = ndimage.distance_transform_edt(claimed == 0, return_indices=True)
    nearest: NDArray[np.int32] = np.where(distance <= reach, claimed[rows, columns], 0)
    return nearest
