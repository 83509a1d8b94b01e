"""One slice of a contact sheet: image, outlines, letters at its edges and caption."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from fewshot.drawing.palette import (
    ALARM,
    DARK_GRID,
    DARK_INK,
    DARK_MUTED,
    DARK_PAGE,
    ON_SLICES,
    YELLOW,
    rgb,
)
from fewshot.masks.coco import Volume
from fewshot.slices.volume import slice_of

SIDE = 208
"""The longer side of a slice on the sheet, in pixels."""
CAPTION = 38
"""The height of two lines of caption, in pixels."""
# Towards negative and towards positive x, y and z, in mm of the patient (RAS, as NIfTI has it).
_NEGATIVE, _POSITIVE = "LPI", "RAS"
_TEXT, _LETTER = 12, 15
_SMALLEST_SIDE = 24
_BRIGHTNESS = 0.75
_LONGEST = 200  # characters, more than ever fit


@dataclass(frozen=True)
class Edges:
    """The patient's side at each edge of a slice: R, L, A, P, S or I."""

    top: str
    bottom: str
    left: str
    right: str


@dataclass(frozen=True, eq=False)
class Tile:
    """What is drawn of a slice.

    Attributes:
        image: grey values, (height, width).
        masks: arrays of (height, width), to be outlined; only one at a time is in memory.
        proportions: height and width of the slice in the same unit of length.
        edges: the patient's sides, if known.
        problem: text to show instead of the image.
        caption: two lines of text.
    """

    image: NDArray[np.uint8]
    masks: Iterable[NDArray[np.bool_]]
    proportions: tuple[float, float]
    edges: Edges | None
    problem: str | None
    caption: tuple[str, str]


def edges_of(volume: Volume) -> Edges:
    """Return the patient's sides at the edges of a volume's slices, the nearest if oblique.

    Positions are cut into slices by the function that cuts the images, so that the letters are
    right whatever rule that function follows.
    """
    affine = np.array(volume.affine)
    grid = np.indices((2, 2, 2)).astype(np.float64)
    across, along, height = (
        slice_of(np.tensordot(row[:3], grid, axes=1), volume.axis, 0, affine) for row in affine[:3]
    )
    positions = np.stack([across, along, height], axis=-1)
    bottom, top = _directions(positions[1, 0] - positions[0, 0])
    right, left = _directions(positions[0, 1] - positions[0, 0])
    return Edges(top, bottom, left, right)


def draw_tile(tile: Tile) -> Image.Image:
    """Return a tile's picture, `SIDE` wide and `SIDE + CAPTION` high, RGB."""
    picture = Image.new("RGB", (SIDE, SIDE + CAPTION), DARK_PAGE)
    pen = ImageDraw.Draw(picture)
    if tile.problem is None:
        slice_ = _outlined(tile.image, tile.masks, fitted(tile.proportions))
        left, top = (SIDE - slice_.width) // 2, (SIDE - slice_.height) // 2
        picture.paste(slice_, (left, top))
        frame = (left, top, left + slice_.width - 1, top + slice_.height - 1)
    else:
        frame = (0, 0, SIDE - 1, SIDE - 1)
        for line, words in enumerate(wrapped(tile.problem, SIDE - 16)):
            pen.text((8, 8 + 16 * line), words, ALARM, font(_TEXT))
    pen.rectangle(frame, outline=DARK_GRID)
    if tile.edges is not None and tile.problem is None:
        _letter(pen, tile.edges, frame)
    for line, (words, color) in enumerate(zip(tile.caption, (DARK_INK, DARK_MUTED), strict=True)):
        pen.text((0, SIDE + 4 + 16 * line), shortened(words, SIDE), color, font(_TEXT))
    return picture


def fitted(proportions: tuple[float, float]) -> tuple[int, int]:
    """Return height and width in pixels of a slice that fills a tile in these proportions.

    No side is below 24 pixels, so that slices of a very flat volume can still be seen.
    """
    longer = max(proportions)
    height, width = (max(_SMALLEST_SIDE, round(SIDE * side / longer)) for side in proportions)
    return height, width


def shortened(words: str, width: int, size: int = _TEXT) -> str:
    """Return text that fits a width in pixels; if it is too long, `…` replaces its middle."""
    if len(words) > _LONGEST:
        words = words[: _LONGEST // 2] + words[-_LONGEST // 2 :]
    kept = words
    for count in range(len(words) - 1, 0, -1):
        if font(size).getlength(kept) <= width:
            break
        kept = f"{words[: count // 2]}…{words[len(words) - (count - count // 2) :]}"
    return kept


def wrapped(words: str, width: int, size: int = _TEXT) -> Sequence[str]:
    """Return text as lines that fit a width in pixels; a longer word gets a line of its own."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of the sheet, DejaVu Sans, which comes with Matplotlib."""
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _outlined(
    image: NDArray[np.uint8], masks: Iterable[NDArray[np.bool_]], size: tuple[int, int]
) -> Image.Image:
    height, width = size
    grey = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    # Darkened, so that colours stand out on white bone too.
    pixels = np.array(grey.point(lambda value: value * _BRIGHTNESS).convert("RGB"))
    for row, mask in enumerate(masks):
        enlarged = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
        inside = np.asarray(enlarged)
        # No outline along the edge of the slice.
        outline = inside & ~ndimage.binary_erosion(inside, border_value=1)
        pixels[outline] = rgb(ON_SLICES[row % len(ON_SLICES)])
    return Image.fromarray(pixels)


def _letter(pen: ImageDraw.ImageDraw, edges: Edges, frame: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = frame
    middle, centre = (left + right) // 2, (top + bottom) // 2
    places = (
        (edges.top, (middle, top + 2), "mt"),
        (edges.bottom, (middle, bottom - 2), "mb"),
        (edges.left, (left + 4, centre), "lm"),
        (edges.right, (right - 4, centre), "rm"),
    )
    for letter, place, anchor in places:
        pen.text(
            place,
            letter,
            YELLOW,
            font(_LETTER),
            anchor=anchor,
            stroke_width=2,
            stroke_fill="black",
        )


def _directions(step: NDArray[np.float64]) -> tuple[str, str]:
    """Return the letters of the direction of a step in mm, and of the opposite one."""
    axis = int(np.abs(step).argmax())
    forwards, backwards = _POSITIVE[axis], _NEGATIVE[axis]
    return (forwards, backwards) if step[axis] > 0 else (backwards, forwards)
