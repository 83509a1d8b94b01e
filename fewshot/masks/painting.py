"""Overlapping masks painted into one map, the better ones on top."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.rle import Rle, area, boxes, decode

MAX_REGIONS = 255
"""The most regions of a map with one byte a pixel."""


def paint(
    rles: Sequence[Rle],
    scores: NDArray[np.float32],
    size: tuple[int, int],
    least_area: int = 1,
    most: int = MAX_REGIONS,
) -> tuple[NDArray[np.uint16], list[int]]:
    """Return a map of regions, ids from 1 on, and the row of the mask of each.

    Masks take their pixels in order of score, highest first (ties: larger area first, then the
    given order), and only pixels that no mask before took. One of which fewer than `least_area`
    pixels stay visible is left out, and leaves its pixels free; after `most` regions all others
    are. The map has shape `size` (height, width), its columns one after another in memory.
    """
    # Column order, like decoded RLEs: the loop below is twice as fast on equal layouts.
    painted = np.zeros(size, dtype=np.uint16, order="F")
    rows: list[int] = []
    corners = boxes(rles).astype(np.int64)
    for index in np.lexsort((-area(rles), -scores)):
        left, top, right, bottom = corners[index]
        where = np.s_[top:bottom, left:right]
        visible = decode(rles[index])[where] & (painted[where] == 0)
        if np.count_nonzero(visible) < max(least_area, 1):
            continue
        rows.append(int(index))
        painted[where][visible] = len(rows)
        if len(rows) == most:
            break
    return painted, rows
