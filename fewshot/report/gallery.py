"""Galleries of slices: one small picture each, with the outlines of several models.

A gallery goes into the page as JSON, which `gallery.js` draws: each picture is stored once for all
models.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.drawing.contours import data_uri, outline
from fewshot.drawing.palette import ON_SLICES, WHITE
from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import decode
from fewshot.slices.images import read_image

_COLORS = (WHITE, *ON_SLICES)
_UNPAIRED = 0  # white
# Number of slices up to which: longer side of a picture in pixels, WebP quality.
_SIZES = ((60, 352, 62), (200, 320, 55), (700, 256, 45))
_SMALLEST = (192, 40)
_PAIR_IOU = 0.5


@dataclass(frozen=True)
class Layer:
    """A model whose masks are drawn on every slice of a gallery: its key and name."""

    key: str
    title: str


@dataclass(frozen=True)
class GallerySlice:
    """A slice: name, picture as data URI with its size, and regions drawn on it.

    Attributes:
        title: its file.
        source, width, height: of the picture.
        layers: layer key → (colour index, path) of each region.
        values: sort key → number; NaN is left out.
        captions: layer key → text under that panel.
        note: text about the slice.
    """

    title: str
    source: str
    width: int
    height: int
    layers: Mapping[str, Sequence[tuple[int, str]]]
    values: Mapping[str, float]
    captions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self.width, self.height

    def room(self, *layers: str) -> int:
        """Return the characters that the slice takes with these layers, or all, roughly."""
        drawn = [self.layers[key] for key in layers or self.layers]
        return len(self.source) + sum(len(path) + 6 for one in drawn for _, path in one)

    def as_json(self) -> dict[str, Any]:
        """Return the slice as the page's script reads it."""
        return {
            "t": self.title,
            "i": self.source,
            "w": self.width,
            "h": self.height,
            "n": self.note,
            "c": dict(self.captions),
            "v": {key: round(value, 4) for key, value in self.values.items() if value == value},
            "l": {key: [list(region) for region in drawn] for key, drawn in self.layers.items()},
        }


@dataclass(frozen=True)
class Order:
    """An order of slices: the key of the values to sort by, its name, and which come first."""

    key: str
    title: str
    highest_first: bool = False


@dataclass(frozen=True)
class Gallery:
    """Slices, the models they show, and their orders, the initial one first.

    `left_out` is the number of slices for which there was no room.
    """

    key: str
    layers: Sequence[Layer]
    orders: Sequence[Order]
    slices: Sequence[GallerySlice]
    left_out: int = 0

    def as_json(self) -> str:
        """Return the gallery as JSON that may stand in an HTML script element."""
        content = {
            "colors": _COLORS,
            "layers": [[layer.key, layer.title] for layer in self.layers],
            "sorts": [[one.key, one.title, one.highest_first] for one in self.orders],
            "slices": [one.as_json() for one in self.slices],
        }
        text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
        return text.replace("<", "\\u003c").replace("&", "\\u0026")


def image_or_black(slices: SliceSet, record: SliceRecord) -> tuple[NDArray[np.uint8], str]:
    """Return a slice's image and no remark, or a black image and a remark."""
    try:
        image = read_image(slices.path_of(record))
    except InputError:
        return np.zeros((record.height, record.width), np.uint8), " · its image cannot be read"
    if image.shape != (record.height, record.width):
        raise InputError(
            f"{slices.path_of(record)}: is {image.shape[0]} x {image.shape[1]}, its masks are "
            f"{record.height} x {record.width}; give the images that the run was made with"
        )
    return image, ""


def picture_size(shape: tuple[int, ...], slices: int) -> tuple[tuple[int, int], int]:
    """Return (width, height) and quality of a picture in a gallery of so many slices."""
    side, quality = next(((a, b) for most, a, b in _SIZES if slices <= most), _SMALLEST)
    height, width = shape
    scale = side / max(height, width)
    return (max(1, round(width * scale)), max(1, round(height * scale))), quality


def picture(image: NDArray[np.uint8], size: tuple[int, int], quality: int) -> str:
    """Return a grey slice as a WebP data URI of that (width, height)."""
    small = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=quality, method=2)
    return data_uri("image/webp", buffer.getvalue())


def regions(masks: SliceMasks, colors: Sequence[int], size: tuple[int, int]) -> list[Any]:
    """Return (colour index, path) of each mask that is not empty."""
    paths = (outline(decode(rle), size) for rle in masks.rles)
    return [(color, path) for color, path in zip(colors, paths, strict=True) if path]


def pair_colors(truth: SliceMasks, found: SliceMasks) -> tuple[list[int], list[int]]:
    """Return the colour index of each true and of each found mask.

    A found mask has the colour of the true mask with which its IoU is highest, if above 0.5; masks
    without such a partner are white.
    """
    true_colors = numbered(len(truth))
    if not len(truth) or not len(found):
        return [_UNPAIRED] * len(truth), [_UNPAIRED] * len(found)
    overlap = rle_codec.iou(found.rles, truth.rles)
    partner, best = overlap.argmax(axis=1), overlap.max(axis=1)
    of_found = [
        true_colors[row] if value > _PAIR_IOU else _UNPAIRED
        for row, value in zip(partner.tolist(), best.tolist(), strict=True)
    ]
    has_partner = overlap.max(axis=0) > _PAIR_IOU
    of_truth = [
        color if paired else _UNPAIRED
        for color, paired in zip(true_colors, has_partner.tolist(), strict=True)
    ]
    return of_truth, of_found


def numbered(count: int) -> list[int]:
    """Return `count` colour indices in turn, without white."""
    return [1 + row % (len(ON_SLICES)) for row in range(count)]
