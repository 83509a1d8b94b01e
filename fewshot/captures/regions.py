"""From the pixels of a drawn line to the regions it encloses."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.slices.arrays import LabelMap, Mask

_Point = NDArray[np.int64] | tuple[int, int]  # row, column

_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)
_AT_EDGE = 4  # pixels from the edge of the picture at which a line counts as reaching it
_BESIDE = 0.5  # pixels beyond the middle, so that a line one pixel wide counts half
_MOST_ENDS = 200  # a line with more loose ends is no outline


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions that a line encloses.

    `labels`: ids from 1, the largest first, (height, width), 0 elsewhere. `closed`: lengths of the
    closed gaps in pixels. `open_ends`: number of loose ends of the line.
    """

    labels: LabelMap
    closed: tuple[float, ...]
    open_ends: int


def enclosed_regions(line: Mask, max_gap: float, min_area: int) -> Regions:
    """Return the regions that a line encloses, after closing its gaps.

    Loose ends are joined by straight lines to the nearest other end, shortest first, up to
    `max_gap` pixels; the edge of the picture closes ends that reach it, on the side of the smaller
    area. Each closed area is a region, also inside or next to others, and reaches to the middle of
    its line. Areas of fewer than `min_area` pixels, such as those in letters, are not regions.

    >>> line = np.zeros((20, 20), dtype=np.bool_)
    >>> line[6:13, 6:13] = True
    >>> line[7:12, 7:12] = False
    >>> found = enclosed_regions(line, max_gap=0, min_area=4)
    >>> int(found.labels.max()), found.open_ends
    (1, 0)
    """
    closed_line, gaps, at_edge, left = _closed(line, max_gap)
    areas, count = ndimage.label(~closed_line)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    edge = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    outside = np.zeros(count + 1, dtype=np.bool_)
    outside[edge] = True
    if at_edge:
        # Cut off by the edge: all but the largest of the areas there is inside.
        outside[edge] = sizes[edge] == sizes[edge[edge > 0]].max(initial=0)
    inside = ~outside & (sizes >= min_area)
    inside[0] = False
    wanted = np.flatnonzero(inside)
    wanted = wanted[np.argsort(-sizes[wanted], kind="stable")]
    names = np.zeros(count + 1, dtype=np.int32)
    names[outside] = -1
    names[wanted] = np.arange(1, wanted.size + 1)
    names[0] = 0
    found = _to_the_middle(names[areas])
    return Regions(np.where(found > 0, found, 0).astype(np.uint16), tuple(gaps), left)


def _to_the_middle(seeds: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the line, and what is too small to be a region, to the nearest region or the outside.

    The very middle, which is as far from both, is the region's: whoever fills an outline one pixel
    wide fills that pixel too.
    """
    if not (seeds > 0).any():
        return seeds
    to_region, (rows, columns) = ndimage.distance_transform_edt(seeds <= 0, return_indices=True)
    to_outside = ndimage.distance_transform_edt(seeds >= 0)
    found: NDArray[np.int32] = np.where(
        (seeds < 0) | (to_outside + _BESIDE < to_region), -1, seeds[rows, columns]
    )
    return found


def _closed(line: Mask, max_gap: float) -> tuple[Mask, list[float], bool, int]:
    """Return the line without gaps, the gaps, whether the edge closes some, and ends left over."""
    ends = _loose_ends(line)
    canvas = line.astype(np.uint8)
    height, width = line.shape
    gaps: list[float] = []
    at_edge = False
    free = set(range(len(ends)))
    choices = sorted(
        (float(np.hypot(*(ends[a] - ends[b]))), a, b)
        for a in range(len(ends))
        for b in range(a + 1, len(ends))
    )
    for one, (row, column) in enumerate(ends):
        reach = min(row, column, height - 1 - row, width - 1 - column)
        near = min((gap for gap, a, b in choices if one in (a, b)), default=np.inf)
        if reach <= _AT_EDGE and near > 2 * _AT_EDGE:
            _draw(canvas, (row, column), _edge_point(row, column, height, width))
            free.discard(one)
            at_edge = True
    for gap, a, b in choices:
        if gap <= max_gap and a in free and b in free:
            _draw(canvas, ends[a], ends[b])
            free -= {a, b}
            gaps.append(round(gap, 1))
    return canvas.astype(np.bool_), gaps, at_edge, len(free)


def _draw(canvas: NDArray[np.uint8], a: _Point, b: _Point) -> None:
    # Three pixels wide, so that it holds where connectivity goes by corners.
    cv2.line(canvas, (int(a[1]), int(a[0])), (int(b[1]), int(b[0])), 1, 3)


def _edge_point(row: int, column: int, height: int, width: int) -> tuple[int, int]:
    choices = ((0, column), (height - 1, column), (row, 0), (row, width - 1))
    return min(choices, key=lambda one: abs(one[0] - row) + abs(one[1] - column))


def _loose_ends(line: Mask) -> NDArray[np.int64]:
    """Return the ends of the line's middle (row, column), without the spurs of a thick line."""
    from skimage.morphology import skeletonize

    thick = float(ndimage.distance_transform_edt(np.pad(line, 1)).max(initial=0))
    skeleton: Mask = skeletonize(line)
    pruned = _pruned(skeleton, int(2 * thick) + 1)
    ends = np.argwhere(_ends_of(pruned))
    found: NDArray[np.int64] = ends if len(ends) <= _MOST_ENDS else ends[:0]
    return found


def _pruned(skeleton: Mask, length: int) -> Mask:
    """Return a skeleton without branches of up to `length` pixels that end loosely.

    Ends are eaten away and those that are left grow back along the old skeleton, so that an end of
    a longer branch keeps its place.
    """
    bare = skeleton.copy()
    for _ in range(length):
        bare &= ~_ends_of(bare)
    grown = _ends_of(bare)
    kept = bare.copy()
    for _ in range(length):
        grown = ndimage.binary_dilation(grown, _NEIGHBOURS) & skeleton & ~kept
        kept |= grown
        grown = grown.copy()
    return kept


def _ends_of(skeleton: Mask) -> Mask:
    neighbours = ndimage.convolve(
        skeleton.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant"
    )
    found: Mask = skeleton & (neighbours == 2)
    return found
