import base64
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from fewshot.drawing.figures import Picture
from fewshot.drawing.palette import BLUE, INK, ON_DARK, SKY
from fewshot.report.learning_curves import Curve
from fewshot.report.sections.merging import threshold_figure
from fewshot.report.sections.slices import slice_score_figure
from fewshot.report.sections.training import loss_figure, precision_figure
from fewshot.report.soft_label_figures import soft_score_figure

STEPS = np.arange(1.0, 101)
NOTHING = np.zeros(0)
CURVES = {
    "rough": Curve(STEPS, 1 / STEPS, np.array([50.0, 100]), np.array([0.1, 0.25])),
    "final": Curve(STEPS, 2 / STEPS, np.array([100.0]), np.array([0.5])),
    "control": Curve(NOTHING, NOTHING, NOTHING, NOTHING),
}


def svg(uri: str) -> str:
    prefix, _, content = uri.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return base64.b64decode(content).decode()


def words(picture: Picture) -> set[str]:
    root = ElementTree.fromstring(svg(picture.light))
    return {element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")}


@pytest.mark.parametrize(
    ("drawn", "expected", "alt"),
    [
        (
            lambda: loss_figure(CURVES),
            {"iterations", "total loss, running mean", "rough", "final"},
            "At the end: rough 0.01, final 0.02.",
        ),
        (
            lambda: precision_figure(CURVES),
            {"iterations", "validation mask AP (0 to 1)", "rough", "final"},
            "Last: rough 0.250, final 0.500.",
        ),
        (
            lambda: soft_score_figure([0] * 8 + [3, 5]),
            {"score of the mask (0 to 1)", "soft labels (masks)"},
            "3 from 0.8 to 0.9, 5 from 0.9 to 1.0.",
        ),
        (
            lambda: threshold_figure(
                {"all": [(0.1, 0.2), (0.5, 0.6)], "foreground": [(0.1, 0.3), (0.5, 0.2)]},
                {"all": (0.5, 0.6), "foreground": (0.1, 0.3)},
                "all",
            ),
            {"score threshold (0 to 1)", "all pixels", "foreground pixels"},
            "all pixels: chosen 0.5 with 0.600; foreground pixels: chosen 0.1 with 0.300.",
        ),
        (
            lambda: slice_score_figure([-0.2, 0.5, 0.9], "foreground", "test"),
            {"adjusted Rand index, foreground pixels", "test slices", "mean 0.400"},
            "over 3 test slices: lowest -0.200, median 0.500, mean 0.400, highest 0.900.",
        ),
    ],
)
def test_figures_have_labelled_axes_and_a_text(
    drawn: Callable[[], Picture], expected: set[str], alt: str
) -> None:
    picture = drawn()
    assert expected <= words(picture)
    assert alt in picture.alt


def test_dark_figure_differs_in_colours_only() -> None:
    picture = soft_score_figure([1, 2])
    light, dark = svg(picture.light), svg(picture.dark)
    assert INK in light
    assert BLUE in light
    assert not {INK, BLUE} & set(re.findall("#[0-9a-f]{6}", dark))
    assert SKY in dark
    assert len(light) == len(dark)
    assert dark.count(ON_DARK[INK]) == light.count(INK)


def test_figures_do_not_depend_on_the_users_matplotlib_settings() -> None:
    import matplotlib as mpl

    plain = soft_score_figure([1, 2])
    settings: Any = {"font.size": 30, "axes.facecolor": "red"}
    with mpl.rc_context(settings):
        assert soft_score_figure([1, 2]) == plain
        assert mpl.rcParams["font.size"] == 30


def test_many_radiologists_are_told_apart() -> None:
    curves = {f"radiologist-{number}": CURVES["rough"] for number in range(9)}
    assert {f"radiologist-{number}" for number in range(9)} <= words(loss_figure(curves))
