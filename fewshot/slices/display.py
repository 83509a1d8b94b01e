"""How stored pictures are displayed: the one place that applies the tags of files.

File readers find the tags (EXIF and TIFF orientation, photometric interpretation, palettes,
windows); their effect on the pixels is here, the same for every form and depth. Transparency is
dropped everywhere: pictures that only exist in their alpha channel are refused.
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
    """Return the grey of red, green and blue (ITU-R 601), ignoring further channels.

    `channels` has shape (height, width, 3 or more); the grey is uint8 of uint8, otherwise floating.
    """
    kind = np.float64 if channels.dtype.itemsize > 4 else np.float32
    grey: NDArray[Any] = channels[..., :3].astype(kind) @ np.array(_LUMINANCE, dtype=kind)
    return np.rint(grey).astype(np.uint8) if channels.dtype == np.uint8 else grey


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return stored pixels, (height, width, ...), turned by an EXIF orientation, 1 to 8.

    Orientations 5 to 8 swap height and width; unknown ones count as 1.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return pixels[rows, columns]


def negative(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with bright and dark swapped, for pictures whose zero is white.

    Unsigned integers keep their range, others change their sign.
    """
    if values.dtype.kind == "u":
        return np.iinfo(values.dtype).max - values
    return -values.astype(np.int64 if values.dtype.kind == "i" else values.dtype)


@dataclass(frozen=True)
class OwnWindow:
    """The grey window in a file, with the functions of DICOM PS3.3 C.11.2.1.2."""

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
        # LINEAR counts values rather than the distance between the ends.
        return apply_window(values, Window(self.centre - 0.5, self.width - 1))


def full_range(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return unsigned values of so many bits as grey: 0 is black, the maximum white."""
    most = 2**bits - 1
    return apply_window(values, Window(most / 2, most))


def series_window(name: str, displays: Sequence[OwnWindow | str | None]) -> OwnWindow | None:
    """Return one window for a series whose files have several, so that equal values stay equal.

    The median of their centres and of their widths, which is printed. None if the files agree or
    have none, so that each is shown as it says. Raises `InputError` for tables, or if only some
    files have a window.
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
