"""The colour of a drawn outline, as a range of hue, saturation and value."""

import re
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.slices.arrays import Mask

Rgb = NDArray[np.uint8]

_HUES = 180  # OpenCV counts hue in steps of two degrees
_STRAY = 12  # compression shifts the hue of a thin line by so much
_WEAK = 0.3  # of the line's chroma; touching pixels with more belong to the line
_LEAST_CHROMA = 24
_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class ColourRange:
    """Bounds of hue (0 to 180), saturation and value (0 to 255), as OpenCV counts them.

    A hue range may go over 180: (170, 10) is red.
    """

    hue: tuple[int, int]
    saturation: tuple[int, int] = (100, 255)
    value: tuple[int, int] = (100, 255)


# ParaSAM's code looks for (0, 100, 100) to (100, 255, 255) in pictures with red and blue swapped,
# which turns hue h into 120 - h: 20 to 120 in true colours. Pure blue is at the very end, and
# compression shifts half of a blue line beyond it, hence the margin.
COLOURS = {
    "blue": ColourRange((20, 128)),
    "cyan": ColourRange((82, 98)),
    "green": ColourRange((40, 80)),
    "yellow": ColourRange((22, 38)),
    "red": ColourRange((172, 8)),
    "magenta": ColourRange((140, 165)),
}


def parse_colour(text: str) -> ColourRange:
    """Return a named colour, or ranges of hue, saturation and value: `20-120,100-255,60-255`.

    Raises `InputError` for anything else.
    """
    if text in COLOURS:
        return COLOURS[text]
    found = re.fullmatch(r"\s*(\d+)-(\d+)\s*[,/]\s*(\d+)-(\d+)\s*[,/]\s*(\d+)-(\d+)\s*", text)
    numbers = [int(one) for one in found.groups()] if found else []
    if not numbers or max(numbers[:2]) > _HUES or max(numbers[2:]) > 255:
        raise InputError(
            f"--colour {text!r}: give one of {', '.join(COLOURS)}, or HUE,SATURATION,VALUE as "
            "20-128,100-255,100-255 (hue 0 to 180, the others 0 to 255)"
        )
    hue, saturation, value = (
        (numbers[0], numbers[1]),
        (numbers[2], numbers[3]),
        (numbers[4], numbers[5]),
    )
    if saturation[0] > saturation[1] or value[0] > value[1]:
        raise InputError(f"--colour {text!r}: a range of saturation or value runs backwards")
    return ColourRange(hue, saturation, value)


def find_line(picture: Rgb, colour: ColourRange) -> Mask:
    """Return the pixels of the drawn line, bool (height, width).

    Pixels in the range, and touching pixels of similar hue and enough chroma: anti-aliasing and
    compression dilute the colour of a line.
    """
    hsv: NDArray[np.uint8] = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), np.uint8)
    chroma = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    strong = _hue_within(hsv[..., 0], colour.hue, 0) & (chroma >= _LEAST_CHROMA)
    for channel, (low, high) in ((1, colour.saturation), (2, colour.value)):
        strong &= (hsv[..., channel] >= low) & (hsv[..., channel] <= high)
    if not strong.any():
        return np.zeros(strong.shape, dtype=np.bool_)
    least = max(_LEAST_CHROMA, _WEAK * float(np.median(chroma[strong])))
    weak = strong | (_hue_within(hsv[..., 0], colour.hue, _STRAY) & (chroma >= least))
    parts, count = ndimage.label(weak, _NEIGHBOURS)
    kept = np.zeros(count + 1, dtype=np.bool_)
    kept[parts[strong]] = True
    found: Mask = kept[parts]
    return found


def _hue_within(hue: NDArray[np.uint8], bounds: tuple[int, int], stray: int) -> Mask:
    low, high = bounds[0] - stray, bounds[1] + stray
    span = (high - low) % _HUES if bounds[0] > bounds[1] else min(high - low, _HUES)
    found: Mask = (hue.astype(np.int16) - low) % _HUES <= span
    return found
