"""Matplotlib figures as SVG data URIs, in the page's fonts, for light and dark pages."""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fewshot.config.names import CONTROL, FINAL
from fewshot.drawing.contours import data_uri
from fewshot.drawing.palette import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ON_DARK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
)

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_RADIOLOGISTS = (BLUE, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = "s^Dv<>pP"
_SIZE = (4.9, 3.3)  # inches; small, so that text is readable on a phone


@dataclass(frozen=True)
class Picture:
    """A figure: SVG data URIs for light and dark pages, a caption, and the alternative text."""

    light: str
    dark: str
    caption: str
    alt: str


@dataclass(frozen=True)
class ModelLine:
    """How a model is drawn: colour, marker, dashes, width in points."""

    color: str
    marker: str
    dash: Any
    width: float


def draw(plot: Callable[[Axes], None], caption: str, alt: str) -> Picture:
    """Return the figure that a function plots, for light and dark pages."""
    svg = _render(plot)
    dark = re.sub("|".join(ON_DARK), lambda color: ON_DARK[color[0]], svg)
    light, on_dark = (data_uri("image/svg+xml", text.encode()) for text in (svg, dark))
    return Picture(light, on_dark, caption, alt)


def model_lines(names: Iterable[str]) -> dict[str, ModelLine]:
    """Return how each model is drawn: the final model heavy, its control dashed."""
    lines: dict[str, ModelLine] = {}
    others = 0
    for name in names:
        if name == FINAL:
            lines[name] = ModelLine(VERMILION, "o", "-", 2.4)
        elif name == CONTROL:
            lines[name] = ModelLine(INK, "X", (0, (4, 2)), 1.6)
        else:
            dash = "-" if others < len(_RADIOLOGISTS) else ":"
            color = _RADIOLOGISTS[others % len(_RADIOLOGISTS)]
            lines[name] = ModelLine(color, _MARKERS[others % len(_MARKERS)], dash, 1.4)
            others += 1
    return lines


def legend_above(axes: Axes) -> None:
    """Put the legend above the axes, where it hides no line."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        frameon=False,
        borderpad=0,
        handlelength=2.2,
        columnspacing=1.2,
    )


def _render(plot: Callable[[Axes], None]) -> str:
    """Return a plot as SVG in the colours for light pages."""
    style: dict[Any, Any] = {
        "font.size": 10.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.fontsize": 10,
        # Text stays text, in the font of the page; DejaVu, which measures it here, is wider.
        "svg.fonttype": "none",
        "svg.hashsalt": "fewshot",
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        figure = Figure(figsize=_SIZE, layout="constrained")
        plot(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().replace("'DejaVu Sans'", _FONTS)
