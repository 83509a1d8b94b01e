"""The Bland-Altman plot: differences of two measurements against their means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewshot.drawing.palette import BLUE, GREEN, GRID, MUTED, ORANGE, PURPLE, SKY, VERMILION
from fewshot.files import atomic_path

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
_LIMITS = 1.96


@dataclass(frozen=True)
class BlandAltman:
    """The bias (mean of first - second) and the limits of agreement, bias ± 1.96 SD, in mm3.

    The limits are None for fewer than two pairs, the bias for none.
    Source: J. M. Bland and D. G. Altman, Lancet 327, 1986.
    """

    pairs: int
    bias: float | None
    lower: float | None
    upper: float | None


def bland_altman(pairs: Sequence[tuple[float, float]]) -> BlandAltman:
    """Return bias and limits of agreement of paired volumes, with the sample SD (n - 1).

    >>> bland_altman([(10.0, 9.0), (12.0, 13.0)]).bias
    0.0
    """
    differences = np.array([first - second for first, second in pairs], dtype=np.float64)
    if not differences.size:
        return BlandAltman(0, None, None, None)
    bias = float(differences.mean())
    if differences.size < 2:
        return BlandAltman(1, bias, None, None)
    spread = _LIMITS * float(differences.std(ddof=1))
    return BlandAltman(differences.size, bias, bias - spread, bias + spread)


def write_figure(
    target: Path, volumes: Mapping[str, Sequence[tuple[float, float]]], shown: BlandAltman
) -> None:
    """Draw the Bland-Altman plot as a PNG.

    `volumes`: annotator → the (model's, annotator's) volume of each structure, in mm3.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (who, measured) in enumerate(volumes.items()):
        axes.scatter(
            [(model + annotator) / 2 for model, annotator in measured],
            [model - annotator for model, annotator in measured],
            s=26,
            color=_COLORS[number % len(_COLORS)],
            label=f"model − {who}",
        )
    for value, name, style in (
        (shown.bias, "bias", "-"),
        (shown.lower, "−1.96 SD", "--"),
        (shown.upper, "+1.96 SD", "--"),
    ):
        if value is not None and (name == "bias" or shown.upper != shown.lower):
            axes.axhline(value, color=MUTED, linestyle=style, linewidth=1)
            axes.annotate(
                f"{name} {value:+.4g}",
                (1, value),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 3),
                textcoords="offset points",
                ha="right",
                color=MUTED,
                fontsize=9,
            )
    axes.axhline(0, color=GRID, linewidth=1, zorder=0)
    axes.set_xlabel("mean of both volumes, mm³")
    axes.set_ylabel("model − annotator, mm³")
    axes.set_title(f"Bland–Altman, {shown.pairs} pairs of volumes", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    if volumes:
        axes.legend(loc="upper left", frameon=False, fontsize=9)
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
