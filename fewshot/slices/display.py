"""How a stored picture is to be shown: the one place that applies what files say about it.

Readers find the tags (EXIF and TIFF orientation, photometric interpretation, palettes, windows);
what a tag does to the pixels is here, so that it is the same for every form and at every depth.
Transparency is dropped everywhere: a picture that is in its alpha channel alone is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.remarks import remark
from fewshot.slices.window import Window, apply_window

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R 601
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


def luminance(channels: NDArray[Any]) -> NDArray[Any]:
    """Return the grey of red, green and blue (ITU-R 601), any further channel left out.

    `channels` has shape (height, width, 3 or more); the grey is uint8 of uint8, otherwise floating.
    """
    kind = np.float64 if channels.dtype.itemsize > 4 else np.float32
    grey: NDArray[Any] = channels[..., :3].astype(kind) @ np.array(_LUMINANCE, dtype=kind)
    return np.rint(grey).astype(np.uint8) if channels.dtype == np.uint8 else grey


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return stored pixels, (height, width, ...), as EXIF's orientation, 1 to 8, has them shown.

    Orientations 5 to 8 swap height and width; what EXIF does not know is taken as 1.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return pixels[rows, columns]


def negative(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with bright and dark exchanged, as pictures whose zero is white need it.

    Unsigned integers keep their range, all others change their sign.
    """
    if values.dtype.kind == "u":
        return np.iinfo(values.dtype).max - values
    return -values.astype(np.int64 if values.dtype.kind == "i" else values.dtype)


@dataclass(frozen=True)
class OwnWindow:
    """The grey window that a file brings along; DICOM's functions, PS3.3 C.11.2.1.2."""

    centre: float
    width: float
    function: Function = "LINEAR"

    def __str__(self) -> str:
        return f"{self.centre:g}/{self.width:g}"

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return values as grey 0 to 255."""
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                power = np.exp(-4 * (values.astype(np.float64) - self.centre) / self.width)
            return np.rint(255 / (1 + power)).astype(np.uint8)
        if self.function == "LINEAR_EXACT" or self.width <= 1:
            return apply_window(values, Window(self.centre, self.width))
        # LINEAR counts the values, not the distance between the ends.
        return apply_window(values, Window(self.centre - 0.5, self.width - 1))


def full_range(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return unsigned values of so many bits as grey: 0 is black, the largest is white."""
    most = 2**bits - 1
    return apply_window(values, Window(most / 2, most))


def series_window(name: str, displays: Sequence[OwnWindow | str | None]) -> OwnWindow | None:
    """Return the window for a series whose files have several, so that equal values stay equal.

    It is the median of their centres and of their widths, and is said. None where the files agree,
    or say nothing, so that each is shown as it wants. Raises `InputError` where windows cannot be
    made one: tables, or some files without any.
    """
    several = list(dict.fromkeys(displays))
    if len(several) < 2:
        return None
    windows = [one for one in displays if isinstance(one, OwnWindow)]
    if len(windows) < len(displays) or len({one.function for one in windows}) > 1:
        raise InputError(
            f"series {name}: its files are to be shown in {len(several)} ways that cannot be made"
            " one; give --window, such as --window percentile"
        )
    made = OwnWindow(
        median(one.centre for one in windows),
        median(one.width for one in windows),
        windows[0].function,
    )
    widest = sorted(several, key=lambda one: (one.width, one.centre))  # type: ignore[union-attr]
    remark(
        f"{len(several)} windows in one series, {widest[0]} to {widest[-1]}: all its slices are"
        f" shown by their median, {made}; --window gives another",
        name,
    )
    return made
