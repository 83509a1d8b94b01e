"""Masks drawn on slices: outlines as SVG paths, filled regions as PNGs."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fewshot.drawing.palette import ON_SLICES, rgb
from fewshot.slices.arrays import Mask

_SIDE = 288  # pixels of the longer side of a panel
_STRENGTH = 0.45  # of a colour over the slice
_TOLERANCE = 0.8  # pixels of the picture by which a simplified outline may be off


@dataclass(frozen=True)
class Panel:
    """An image: a PNG data URI, its size in pixels, a caption, and the alternative text."""

    source: str
    width: int
    height: int
    caption: str
    alt: str


def outline(mask: Mask, size: tuple[int, int]) -> str:
    """Return the outlines of a mask, holes included, as an SVG path of whole pixels.

    `mask` has shape (height, width); `size` is the (width, height) of the picture. Each outline is
    `M`, its first point, `l`, the steps to the next points, and `z`. Empty for an empty mask.

    >>> mask = np.zeros((6, 6), dtype=np.bool_)
    >>> mask[1:5, 1:5] = True
    >>> outline(mask, (6, 6))
    'M1 1l0 3 3 0 0 -3z'
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ""
    width, height = size
    # Only the part of the picture around the mask: it is much smaller.
    left, right = _span(columns, mask.shape[1], width)
    top, bottom = _span(rows, mask.shape[0], height)
    y = (np.arange(top, bottom) + 0.5) * mask.shape[0] / height
    x = (np.arange(left, right) + 0.5) * mask.shape[1] / width
    part = mask[np.ix_(y.astype(np.intp), x.astype(np.intp))].astype(np.uint8)
    found: Any = cv2.findContours(
        part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(int(left), int(top))
    )
    return "".join(_path(contour) for contour in found[0])


def filled_panel(
    image: NDArray[np.uint8], regions: Sequence[tuple[Mask, int]], caption: str, alt: str
) -> Panel:
    """Return a slice with regions as `filled` draws them; `caption` and `alt` are the panel's."""
    pixels = filled(image, regions)
    height, width, _ = pixels.shape
    return Panel(_png(pixels), width, height, caption, alt)


def filled(
    image: NDArray[np.uint8], regions: Iterable[tuple[Mask, int]], side: int = _SIDE
) -> NDArray[np.uint8]:
    """Return a slice with translucent, outlined regions as RGB values, (height, width, 3).

    Pixels in several regions are white.

    Args:
        image: grey values, (height, width).
        regions: masks of the same shape, each with the number of its colour.
        side: pixels of the longer side of the picture.
    """
    height, width = image.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    pixels = np.repeat(grey[:, :, np.newaxis] * 0.85, 3, axis=2)
    depth = np.zeros(grey.shape, np.int32)
    edges: list[tuple[Mask, NDArray[np.float64]]] = []
    for mask, number in regions:
        enlarged = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        color = np.array(rgb(ON_SLICES[number % len(ON_SLICES)]), dtype=np.float64)
        pixels[enlarged] = (1 - _STRENGTH) * pixels[enlarged] + _STRENGTH * color
        depth += enlarged
        # No outline along the edge of the slice.
        inside = ndimage.binary_erosion(enlarged, iterations=1, border_value=1)
        edges.append((enlarged & ~inside, color))
    pixels[depth > 1] = 0.35 * pixels[depth > 1] + 0.65 * 255
    for edge, color in edges:
        pixels[edge] = color
    drawn: NDArray[np.uint8] = pixels.round().astype(np.uint8)
    return drawn


def data_uri(kind: str, content: bytes) -> str:
    """Return content as a data URI of a media type such as `image/png`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _span(places: NDArray[np.intp], length: int, shown: int) -> tuple[int, int]:
    """Return the range of picture pixels with these rows or columns, plus one on each side."""
    scale = shown / length
    first, last = int(places[0] * scale) - 1, int((places[-1] + 1) * scale) + 2
    return max(first, 0), min(last, shown)


def _path(contour: NDArray[np.int32]) -> str:
    points = cv2.approxPolyDP(contour, _TOLERANCE, closed=True).reshape(-1, 2)
    steps = np.diff(points, axis=0)
    (x, y), rest = points[0].tolist(), " ".join(f"{dx} {dy}" for dx, dy in steps.tolist())
    # A lone pixel is drawn as a dot.
    return f"M{x} {y}l{rest or '0 0'}z"


def _png(pixels: NDArray[np.uint8]) -> str:
    """Return RGB values as a PNG of 128 colours, a third of the size."""
    image = Image.fromarray(pixels).quantize(128, method=Image.Quantize.MEDIANCUT)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())
