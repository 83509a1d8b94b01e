"""Soft labels whose structures one reader says and whose pixels another.

Detectors know which structures there are; a semantic network has the better outlines. Its
foreground is shared out among the structures that were found, and what only one of the two sees is
left open.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import Rle, boxes, encode_stack

_REACH = 0.04  # of the slice's longer side: how far outside a structure its foreground may lie
OUTLINES = "outlines"


def share_out(structures: SliceMasks, foreground: SliceMasks) -> tuple[SliceMasks, SliceMasks]:
    """Return the structures with the pixels of a foreground, and regions that are uncertain.

    A pixel of the foreground belongs to the structure it lies in, of several the best score's, or
    to the nearest one within 4 % of the slice's longer side. Connected regions of foreground
    without a structure, and of structures without foreground, are uncertain. Regions of less than
    half of that distance squared are left out.

    Args:
        structures: who is there, with scores.
        foreground: masks whose union is the foreground, of the same slice.
    """
    reach = max(1, round(_REACH * max(structures.height, structures.width)))
    least = reach**2 / 2
    inside = foreground.decode().any(axis=0)
    claimed = _claims(structures)
    shared = _nearest_within(claimed, reach) * inside
    rows = [row for row in range(len(structures)) if (shared == row + 1).sum() >= least]
    stack = np.array([shared == row + 1 for row in rows], dtype=bool)
    kept = structures.select(rows)
    certain = SliceMasks(
        kept.image_id,
        kept.height,
        kept.width,
        kept.scores,
        *_encoded(stack.reshape(len(rows), *inside.shape)),
        kept.sources,
    )
    lone = (inside | (claimed > 0)) & ~np.isin(shared, [row + 1 for row in rows])
    parts, count = ndimage.label(lone)
    open_ = [parts == part for part in range(1, count + 1) if (parts == part).sum() >= least]
    regions = np.array(open_, dtype=bool).reshape(len(open_), *inside.shape)
    uncertain = SliceMasks(
        kept.image_id,
        kept.height,
        kept.width,
        np.zeros(len(regions), dtype=np.float32),
        *_encoded(regions),
        (OUTLINES,) * len(regions),
    )
    return certain, uncertain


def joined(first: SliceMasks, second: SliceMasks) -> SliceMasks:
    """Return the masks of both, of one slice."""
    return SliceMasks(
        first.image_id,
        first.height,
        first.width,
        np.concatenate([first.scores, second.scores]),
        np.concatenate([first.boxes, second.boxes]),
        (*first.rles, *second.rles),
        (*first.sources, *second.sources),
    )


def _claims(structures: SliceMasks) -> NDArray[np.int32]:
    """Return which structure has each pixel, (height, width): its row and 1, or 0 for none."""
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


def _encoded(masks: NDArray[np.bool_]) -> tuple[NDArray[np.float32], tuple[Rle, ...]]:
    rles = tuple(encode_stack(masks))
    return boxes(rles), rles
