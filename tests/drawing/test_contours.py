import re

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.drawing.contours import outline
from fewshot.slices.phantom import phantom_slice

Mask = NDArray[np.bool_]


def painted(path: str, size: tuple[int, int]) -> Mask:
    """What an SVG path encloses by the even-odd rule, drawn by OpenCV: the outlines included."""
    canvas = np.zeros((size[1], size[0]), np.uint8)
    polygons = []
    for x, y, steps in re.findall(r"M(\d+) (\d+)l([-\d ]+)z", path):
        moves = np.array(steps.split(), np.int64).reshape(-1, 2)
        points = np.vstack([[int(x), int(y)], moves]).cumsum(axis=0)
        polygons.append(points.astype(np.int32))
    cv2.fillPoly(canvas, polygons, 1)
    return canvas.astype(bool)


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    grown = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return grown.astype(bool)


@pytest.mark.parametrize("size", [(512, 512), (256, 256), (384, 384)])
def test_outlines_enclose_their_masks(size: tuple[int, int]) -> None:
    _, labels = phantom_slice(np.random.default_rng(3), 256)
    for label in np.unique(labels[labels > 0]):
        mask = labels == label
        found, expected = painted(outline(mask, size), size), enlarged(mask, size)
        overlap = (found & expected).sum() / (found | expected).sum()
        assert overlap > 0.9, label


def test_a_hole_has_an_outline_of_its_own() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:80, 20:80] = True
    mask[40:60, 40:60] = False
    path = outline(mask, (100, 100))
    assert path.count("M") == path.count("z") == 2
    inside = painted(path, (100, 100))
    assert inside[30, 30]
    assert not inside[50, 50]


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (slice(0, 0), slice(0, 0), ""),
        (slice(5, 6), slice(7, 8), "M7 5l0 0z"),
        (slice(0, 20), slice(0, 20), "M0 0l0 19 19 0 0 -19z"),  # the whole slice
    ],
)
def test_small_and_large_masks(rows: slice, columns: slice, expected: str) -> None:
    mask = np.zeros((20, 20), bool)
    mask[rows, columns] = True
    assert outline(mask, (20, 20)) == expected


def test_slices_that_are_not_square_keep_their_sides() -> None:
    mask = np.zeros((50, 100), bool)
    mask[10:40, 60:100] = True
    assert outline(mask, (200, 100)) == "M120 20l0 59 79 0 0 -59z"
