"""Finding the image in a screen capture, among panels, bars and text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.captures.colour import Rgb
from fewshot.slices.arrays import Mask

_WINDOW = 9  # pixels, for the local spread of grey
_SPREAD = 2.0  # grey levels; a panel of one colour has none
_CHANGE = 12  # grey levels between captures
_LEAST_PART = 0.05  # of the capture; anything smaller is no image
_FEW = 0.2  # image pixels in a row or column of the frame, relative to the fullest
_DARK = 24
_PANELS = 0.15  # of the surroundings brighter than `_DARK`; otherwise they are part of the image


@dataclass(frozen=True)
class Frame:
    """A rectangle of a capture in pixels; `bottom` and `right` are outside."""

    top: int
    left: int
    bottom: int
    right: int

    def crop(self, picture: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the part of a picture (height, width, …) within the frame."""
        return picture[self.top : self.bottom, self.left : self.right]


def find_frame(captures: Sequence[Rgb]) -> Frame:
    """Return the frame of the image in captures of one size, which may be the whole capture.

    The image is the largest area with texture or, in several captures, with changes from one to the
    next, unlike panels and rulers. A black surrounding is not cut off.
    """
    height, width = captures[0].shape[:2]
    whole = Frame(0, 0, height, width)
    greys = [one.mean(axis=2, dtype=np.float32) for one in captures]
    active = _textured(greys[0])
    if len(greys) > 2:
        changing = np.max(greys, axis=0) - np.min(greys, axis=0) > _CHANGE
        changing = ndimage.binary_closing(changing, iterations=4)
        if changing.mean() >= _LEAST_PART:
            active = changing
    found = _largest(active)
    if found is None:
        return whole
    around = np.ones((height, width), dtype=np.bool_)
    around[found.top : found.bottom, found.left : found.right] = False
    shown = greys[0][around] > _DARK
    return found if shown.size and shown.mean() > _PANELS else whole


def _textured(grey: NDArray[np.float32]) -> Mask:
    mean = ndimage.uniform_filter(grey, _WINDOW)
    spread = ndimage.uniform_filter(grey * grey, _WINDOW) - mean * mean
    textured: Mask = spread > _SPREAD**2
    opened: Mask = ndimage.binary_opening(textured, iterations=3)
    return opened


def _largest(active: Mask) -> Frame | None:
    """Return the box of the largest component, without rows and columns that it hardly fills."""
    parts, count = ndimage.label(active)
    if not count:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    part = parts == sizes.argmax()
    if part.mean() < _LEAST_PART:
        return None
    ((rows, columns),) = ndimage.find_objects(part.astype(np.int8))
    inner = part[rows, columns]
    row_share, column_share = inner.mean(axis=1), inner.mean(axis=0)
    full_rows = np.flatnonzero(row_share >= _FEW * row_share.max())
    full_columns = np.flatnonzero(column_share >= _FEW * column_share.max())
    return Frame(
        rows.start + int(full_rows[0]),
        columns.start + int(full_columns[0]),
        rows.start + int(full_rows[-1]) + 1,
        columns.start + int(full_columns[-1]) + 1,
    )
