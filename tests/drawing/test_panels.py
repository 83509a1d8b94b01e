import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fewshot.drawing.contact_sheet import spread
from fewshot.drawing.contours import Panel, filled_panel

Mask = NDArray[np.bool_]


def square(row: int, column: int, side: int = 40) -> Mask:
    mask = np.zeros((side, side), bool)
    mask[row : row + 20, column : column + 20] = True
    return mask


def pixels(panel: Panel) -> NDArray[np.int64]:
    prefix, _, content = panel.source.partition(",")
    assert prefix == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert image.size == (panel.width, panel.height)
    return np.asarray(image.convert("RGB")).astype(np.int64)


def at(panel: Panel, row: float, column: float) -> NDArray[np.int64]:
    """The pixel at a place of the slice, in shares of its sides."""
    shown = pixels(panel)
    pixel: NDArray[np.int64] = shown[int(row * panel.height), int(column * panel.width)]
    return pixel


def test_shared_pixels_are_brighter_than_both_colours() -> None:
    black = np.zeros((40, 40), np.uint8)
    panel = filled_panel(black, [(square(0, 0), 0), (square(10, 10), 1)], "before", "two squares")
    first, shared, second = at(panel, 0.1, 0.1), at(panel, 0.4, 0.4), at(panel, 0.65, 0.65)
    assert first[0] > first[2] + 50  # orange
    assert second[2] > second[0] + 30  # sky
    assert shared.min() > 140
    assert at(panel, 0.95, 0.95).max() < 10


def test_a_region_has_an_outline_but_not_along_the_edge_of_the_slice() -> None:
    panel = filled_panel(np.zeros((288, 288), np.uint8), [(square(0, 0, 288), 0)], "after", "one")
    shown = pixels(panel)
    assert shown[0, 0, 0] < 130
    assert shown[19, 10, 0] > 200
    assert shown[10, 19, 0] > 200


@pytest.mark.parametrize(("shape", "size"), [((512, 256), (144, 288)), ((64, 64), (288, 288))])
def test_panels_keep_the_shape_of_the_slice(shape: tuple[int, int], size: tuple[int, int]) -> None:
    panel = filled_panel(np.full(shape, 128, np.uint8), [], "slice", "nothing on it")
    assert (panel.width, panel.height) == size
    assert np.ptp(pixels(panel)) == 0


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(0, 3, []), (2, 3, [0, 1]), (5, 3, [0, 2, 4]), (9, 3, [0, 4, 8])],
)
def test_spread(count: int, most: int, expected: list[int]) -> None:
    assert spread(range(count), most) == expected
