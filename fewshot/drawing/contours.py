"""Outlines of masks as short SVG paths, in the pixels of the picture they lie on."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_TOLERANCE = 0.8  # pixels of the picture by which an outline may leave out a corner


def outline(mask: Mask, size: tuple[int, int]) -> str:
    """Return the outlines of a mask, holes included, as an SVG path of whole pixels.

    `mask` has shape (height, width); `size` is the (width, height) of the picture that it is drawn
    on. Empty for an empty mask. A path is `M`, the first point, `l`, the steps to the next ones,
    and `z`, for each outline.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ""
    width, height = size
    # Only the part of the picture around the mask is looked at: it is much smaller.
    left, right = _span(columns, mask.shape[1], width)
    top, bottom = _span(rows, mask.shape[0], height)
    y = (np.arange(top, bottom) + 0.5) * mask.shape[0] / height
    x = (np.arange(left, right) + 0.5) * mask.shape[1] / width
    part = mask[np.ix_(y.astype(np.intp), x.astype(np.intp))].astype(np.uint8)
    found: Any = cv2.findContours(
        part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(int(left), int(top))
    )
    return "".join(_path(contour) for contour in found[0])


def _span(places: NDArray[np.intp], length: int, shown: int) -> tuple[int, int]:
    """Return the range of picture pixels that holds these rows or columns, one more each side."""
    scale = shown / length
    first, last = int(places[0] * scale) - 1, int((places[-1] + 1) * scale) + 2
    return max(first, 0), min(last, shown)


def _path(contour: NDArray[np.int32]) -> str:
    points = cv2.approxPolyDP(contour, _TOLERANCE, closed=True).reshape(-1, 2)
    steps = np.diff(points, axis=0)
    (x, y), rest = points[0].tolist(), " ".join(f"{dx} {dy}" for dx, dy in steps.tolist())
    # A lone pixel is drawn as a dot.
    return f"M{x} {y}l{rest or '0 0'}z"
