"""Polygons of COCO files as masks."""

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fewshot.errors import InputError
from fewshot.masks.rle import Rle, check_rle, short_repr


def encode_polygons(
    polygons: list[object], height: int, width: int, where: str, skipped: list[str] | None = None
) -> Rle:
    """Return the RLE of the union of polygons, filled as COCO does.

    Each polygon is a list [x0, y0, x1, y1, ...] of at least three points in pixels. Points may lie
    outside the slice by at most its own size. With `skipped`, polygons of one or two points next to
    valid ones, which annotation tools leave behind, are skipped and noted in it.

    Raises `InputError`, beginning with `where`, for anything else, and for outlines so long that
    drawing them would take far more memory than the slice.
    """
    if not polygons:
        raise InputError(f"{where}: segmentation is empty; give an RLE or at least one polygon")
    if skipped is not None:
        polygons = _without_stumps(polygons, where, skipped)
    outlines = [_points(polygon, height, width, where) for polygon in polygons]
    if sum(map(_drawn_length, outlines)) > 4 * height * width + 8 * (height + width):
        raise InputError(f"{where}: segmentation has an outline too long for a slice of this size")
    parts = coco_mask.frPyObjects([points.ravel().tolist() for points in outlines], height, width)
    return check_rle(coco_mask.merge(parts), height, width, where)


def _without_stumps(polygons: list[object], where: str, skipped: list[str]) -> list[object]:
    """Return the polygons without those of one or two points, or all if none would be left."""
    good = [one for one in polygons if not (isinstance(one, list) and len(one) in (0, 2, 4))]
    if not good or len(good) == len(polygons):
        return polygons
    skipped.append(f"{where}: {len(polygons) - len(good)} of its outlines have too few points")
    return good


def _points(polygon: object, height: int, width: int, where: str) -> NDArray[np.float64]:
    """Return a polygon's (points, 2) array of x and y."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(
            f"{where}: segmentation holds {short_repr(polygon)}; "
            "a polygon is a list [x0, y0, x1, y1, ...] of at least three points"
        )
    for place, value in enumerate(polygon):
        side = height if place % 2 else width
        if type(value) not in (int, float) or not -side <= value <= 2 * side:
            raise InputError(
                f"{where}: segmentation holds the coordinate {short_repr(value)}; "
                f"points must be numbers near the slice of {height} x {width}"
            )
    return np.array(polygon, dtype=np.float64).reshape(-1, 2)


def _drawn_length(points: NDArray[np.float64]) -> float:
    """Return the number of pixel steps in which the closed outline is drawn."""
    steps = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1)
    return float(steps.sum())
