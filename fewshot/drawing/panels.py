"""Slices with filled regions, as small PNG data URIs, and choices from a ranking."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fewshot.drawing.figures import data_uri
from fewshot.drawing.palette import ON_SLICES, rgb

Mask = NDArray[np.bool_]

_SIDE = 288  # pixels of the longer side
_STRENGTH = 0.45  # of a colour over the slice


@dataclass(frozen=True)
class Panel:
    """One image: a PNG data URI, its size in pixels, a caption, and the text instead of it."""

    source: str
    width: int
    height: int
    caption: str
    alt: str


def filled_panel(
    image: NDArray[np.uint8], regions: Sequence[tuple[Mask, int]], caption: str, alt: str
) -> Panel:
    """Return a slice with translucent regions, outlined; pixels of more than one region are white.

    Args:
        image: grey values, (height, width).
        regions: masks of the same shape, each with the number of its colour.
        caption: of the panel.
        alt: the text instead of it.
    """
    height, width = image.shape
    scale = _SIDE / max(height, width)
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
        # The slice's own edge is no outline.
        inside = ndimage.binary_erosion(enlarged, iterations=1, border_value=1)
        edges.append((enlarged & ~inside, color))
    pixels[depth > 1] = 0.35 * pixels[depth > 1] + 0.65 * 255
    for edge, color in edges:
        pixels[edge] = color
    return Panel(_png(pixels.round().astype(np.uint8)), size[0], size[1], caption, alt)


def spread(ranked: Sequence[int], most: int) -> list[int]:
    """Return at most `most` items of a ranking, evenly from its first to its last."""
    chosen = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [ranked[index] for index in chosen]


def _png(pixels: NDArray[np.uint8]) -> str:
    """Return RGB values as PNG of 128 colours, which is a third as large."""
    image = Image.fromarray(pixels).quantize(128, method=Image.Quantize.MEDIANCUT)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())
