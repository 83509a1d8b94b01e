"""Screen captures as an annotator's program shows them: a slice, an outline, and panels around."""

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.slices.phantom import phantom_slice

Rgb = NDArray[np.uint8]
Points = NDArray[np.float64]
BLUE = (0, 0, 255)


def slice_of_phantom(size: int, seed: int = 0) -> NDArray[np.uint8]:
    return phantom_slice(np.random.default_rng(seed), size)[0]


def blob(centre: tuple[float, float], radius: float, seed: int) -> Points:
    """Return the (x, y) points of a closed outline that bulges like a tumour's."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    waves = [rng.normal(0, 0.12 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4, 5)]
    away = radius * (1 + np.sum(waves, axis=0))
    return np.stack([centre[0] + away * np.cos(angle), centre[1] + away * np.sin(angle)], axis=1)


def filled(points: Points, size: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 1, shift=4)
    return mask.astype(bool)


def outlined(
    grey: NDArray[np.uint8],
    outlines: Sequence[Points],
    width: int,
    colour: tuple[int, int, int] = BLUE,
    *,
    closed: bool = True,
) -> Rgb:
    picture = np.stack([grey] * 3, axis=2)
    for points in outlines:
        coded = np.round(points * 16).astype(np.int32)
        cv2.polylines(picture, [coded], closed, colour, width, cv2.LINE_AA, shift=4)
    return picture


def compressed(picture: Rgb, quality: int) -> Rgb:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed).convert("RGB"))


def on_screen(picture: Rgb, top: int, left: int) -> Rgb:
    """Return a capture with a grey panel, a title bar, text and a ruler around the picture."""
    height, width = picture.shape[:2]
    screen = np.full((height + top + 30, width + left + 60, 3), 58, np.uint8)
    screen[: top - 8] = (30, 34, 40)
    for row in range(4):
        cv2.putText(
            screen, f"B-mode {row}", (4, top + 20 + 18 * row), 0, 0.4, (200, 200, 200), 1, 16
        )
    screen[top + height + 4 : top + height + 8, left : left + width : 10] = 220
    screen[top : top + height, left : left + width] = picture
    return screen


def iou(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float((a & b).sum() / (a | b).sum())
