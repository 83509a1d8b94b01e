"""The figure of a comparison of semantic networks: scores and cost, one line per model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fewshot.drawing.palette import BLUE, GRID, INK, MUTED, SKY, VERMILION
from fewshot.files import atomic_path

_MARKS = {"components": "o", "watershed": "^", "instances": "s"}


def write_comparison_figure(target: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the rows of a comparison and write the figure as PNG, atomically.

    One line per model, with a mark per method for regions: left the adjusted Rand index over all
    pixels with its 95 % interval, then over the foreground, right the training time.
    """
    names = list(dict.fromkeys(_name(row) for row in rows))
    figure = Figure(figsize=(10, 1.3 + 0.3 * len(names)), layout="constrained")
    first, second, third = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 2))
    for row in rows:
        place, mark = names.index(_name(row)), _MARKS[row["regions"]]
        color = VERMILION if row["regions"] == "instances" else BLUE
        shift = -0.12 if row["regions"] == "components" else 0.12
        first.plot([row["ari_all_low"], row["ari_all_high"]], [place + shift] * 2, color=SKY, lw=2)
        first.plot(row["ari_all"], place + shift, mark, color=color, ms=5)
        second.plot(row["ari_foreground"], place + shift, mark, color=color, ms=5)
        third.barh(place, row["cpu_seconds"] / 60, height=0.55, color=color)
    _name_axes(first, "ARI, all pixels")
    _name_axes(second, "ARI, foreground")
    _name_axes(third, "training, CPU-minutes")
    first.set_yticks(range(len(names)), names)
    first.invert_yaxis()
    shown = [mark for mark in _MARKS if any(row["regions"] == mark for row in rows)]
    lines = [
        first.plot([], [], _MARKS[one], color=VERMILION if one == "instances" else BLUE)[0]
        for one in shown
    ]
    figure.legend(
        lines, shown, loc="outside upper right", ncols=len(lines), frameon=False, fontsize=9
    )
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=140)


def _name(row: Mapping[str, Any]) -> str:
    parts = ["GAFL" if row["gafl"] else "", "FeatUp" if row["featup"] else ""]
    return " + ".join([str(row["model"]), *(part for part in parts if part)])


def _name_axes(axes: Axes, label: str) -> None:
    axes.set_xlabel(label, color=INK)
    axes.grid(axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=MUTED, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
