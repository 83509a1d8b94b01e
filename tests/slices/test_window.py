"""Windows: what a user may write, and which grey comes out."""

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.slices.window import PRESETS, Window, apply_window, auto_window, parse_window


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("soft-tissue", Window(40, 400)),
        ("Soft_Tissue", Window(40, 400)),
        ("lung", PRESETS["lung"]),
        ("40/400", Window(40, 400)),
        ("-600, 1500.5", Window(-600, 1500.5)),
        ("percentile", "percentile"),
        ("minmax", "minmax"),
    ],
)
def test_what_a_window_may_be(text: str, window: object) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize(
    "text", ["", "liverwurst", "40", "40/0", "40/-3", "40/nan", "1e9999/1", "1/2/3", "9" * 99]
)
def test_what_no_window_is(text: str) -> None:
    with pytest.raises(InputError, match=r"soft-tissue.* or centre/width"):
        parse_window(text)


def test_grey_is_linear_between_the_ends() -> None:
    values = np.array([[-2000, -160, 40, 240, 3000], [np.nan, -np.inf, np.inf, 39.3, 40.6]])
    expected = [[0, 0, 128, 255, 255], [0, 0, 255, 127, 128]]
    grey = apply_window(values, Window(40, 400))
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, expected)


def test_the_whole_range_is_that_of_all_pictures() -> None:
    pictures = [np.array([[0, 5]], np.uint16), np.array([[1, 65535]], np.uint16)]
    assert auto_window(pictures, "minmax") == Window(32767.5, 65535)


def test_percentiles_leave_the_outliers_out() -> None:
    picture = np.arange(10000.0).reshape(100, 100)
    picture[0, 0] = 1e9
    picture[0, 1] = np.inf
    window = auto_window([picture], "percentile")
    assert window.width == pytest.approx(9900, rel=0.01)
    assert window.centre == pytest.approx(5000, rel=0.01)


@pytest.mark.parametrize("picture", [np.full((2, 2), 7.0), np.full((2, 2), np.nan)])
def test_a_picture_without_range_has_a_usable_window(picture: np.ndarray) -> None:
    window = auto_window([picture], "percentile")
    assert window.width == 1
    assert apply_window(picture, window).shape == (2, 2)
