"""From intensities to 8-bit grey: named CT windows, centre and width, or the range."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

Auto = Literal["percentile", "minmax"]


@dataclass(frozen=True)
class Window:
    """Intensities from `centre - width / 2` to `centre + width / 2` become grey 0 to 255."""

    centre: float
    width: float

    def __str__(self) -> str:
        return f"{self.centre:g}/{self.width:g}"


# Centre and width in Hounsfield units, as commonly used in radiology.
PRESETS = {
    "soft-tissue": Window(40, 400),
    "abdomen": Window(60, 400),
    "liver": Window(30, 150),
    "mediastinum": Window(50, 350),
    "lung": Window(-600, 1500),
    "bone": Window(400, 1800),
    "brain": Window(40, 80),
    "stroke": Window(35, 40),
    "angiography": Window(300, 600),
}
AUTO: tuple[Auto, Auto] = ("percentile", "minmax")
_PERCENTILES = (0.5, 99.5)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_CENTRE_WIDTH = re.compile(rf"({_NUMBER})\s*[/,]\s*({_NUMBER})")


def parse_window(text: str) -> Window | Auto:
    """Parse a window: a preset, `centre/width`, `percentile` or `minmax`.

    Raises `InputError` that lists the presets.
    """
    name = text.strip().lower().replace("_", "-").replace(" ", "-")
    if name in PRESETS:
        return PRESETS[name]
    for auto in AUTO:
        if name == auto:
            return auto
    match = _CENTRE_WIDTH.fullmatch(text.strip())
    if match and len(text) < 60 and float(match[2]) > 0:
        return Window(float(match[1]), float(match[2]))
    raise InputError(
        f"window {text[:40]!r}: give {', '.join(PRESETS)}, percentile, minmax, "
        "or centre/width such as 40/400"
    )


def apply_window(values: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Return intensities as grey 0 to 255, uint8, linear within the window; NaN is 0.

    >>> apply_window(np.array([-200, 40, 300]), PRESETS["soft-tissue"]).tolist()
    [0, 128, 255]
    """
    low = window.centre - window.width / 2
    scaled = (values.astype(np.float64) - low) * 255 / window.width
    return np.rint(np.nan_to_num(np.clip(scaled, 0, 255))).astype(np.uint8)


def auto_window(pictures: Iterable[NDArray[Any]], how: Auto) -> Window:
    """Return a window for all pictures: their full range, or the mean 0.5 to 99.5 percentiles.

    Only one picture is in memory at a time. Values that are not finite are ignored; constant
    pictures get a width of 1.
    """
    lows, highs = [], []
    for picture in pictures:
        finite = picture[np.isfinite(picture)]
        if finite.size:
            bounds = (0.0, 100.0) if how == "minmax" else _PERCENTILES
            low, high = np.percentile(finite.astype(np.float64), bounds)
            lows.append(float(low))
            highs.append(float(high))
    if not lows:
        return Window(0.0, 1.0)
    if how == "minmax":
        low, high = min(lows), max(highs)
    else:
        low, high = math.fsum(lows) / len(lows), math.fsum(highs) / len(highs)
    return Window(low / 2 + high / 2, max(high - low, 1.0) if high <= low else high - low)
