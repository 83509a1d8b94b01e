"""Drawing with Matplotlib into SVG data URIs, in the page's fonts and in colours of two themes."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart. Yellow is too pale for lines
# on white, blue too dark on black, and black is the ink of the page.
INK, MUTED, GRID = "#1b1f24", "#57606a", "#dde2e7"
BLUE, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
VERMILION, YELLOW = "#d55e00", "#f0e442"
ON_DARK = {INK: "#e8ebef", MUTED: "#a3adb8", GRID: "#333b45", BLUE: SKY, SKY: YELLOW}
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_SIZE = (4.9, 3.3)  # inches; small, so that the text stays readable on a phone


@dataclass(frozen=True)
class Picture:
    """A figure: SVG data URIs for light and dark pages, a caption, and the text instead of it."""

    light: str
    dark: str
    caption: str
    alt: str


def draw(plot: Callable[[Axes], None], caption: str, alt: str) -> Picture:
    """Return what a function plots, with axes labelled by it, for light and dark pages."""
    svg = _render(plot)
    dark = re.sub("|".join(ON_DARK), lambda color: ON_DARK[color[0]], svg)
    light, on_dark = (data_uri("image/svg+xml", text.encode()) for text in (svg, dark))
    return Picture(light, on_dark, caption, alt)


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
        # Text stays text in the page's own font; DejaVu, which measures it here, is wider.
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


def data_uri(kind: str, content: bytes) -> str:
    """Return content as a URI that holds it, of a media type such as `image/png`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
