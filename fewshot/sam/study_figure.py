"""The figure of a study: a table of mean Dice in shades."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fewshot.drawing.palette import INK
from fewshot.files import atomic_path

_LIGHT_FROM = 0.55  # of the shades, below which text is white


def write_study_figure(target: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the rows of a study as a heat map and write it as PNG, atomically.

    Rows are networks with an input, a resolution and a combination of phases, columns are kinds of
    prompts, and cells are the mean Dice over structures.
    """
    lines = list(dict.fromkeys(_line(row) for row in rows))
    columns = list(dict.fromkeys(_column(row) for row in rows))
    values = np.full((len(lines), len(columns)), np.nan)
    for row in rows:
        values[lines.index(_line(row)), columns.index(_column(row))] = row["dice"]
    left = 0.095 * max(len(line) for line in lines) + 0.3
    size = left + 0.72 * len(columns) + 0.4, 1.9 + 0.3 * len(lines)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=9)
    axes.set_yticks(range(len(lines)), lines, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Mean Dice over structures", fontsize=11, loc="left")
    for (line, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if value < _LIGHT_FROM else INK
            axes.text(column, line, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=140)


def _line(row: Mapping[str, Any]) -> str:
    parts = [row["model"], row["input"]]
    parts += [f"{row['resolution']} px"] if row["resolution"] else []
    parts += [row["phases"]] if row["phases"] != "slices" else []
    return " · ".join(parts)


def _column(row: Mapping[str, Any]) -> str:
    points = f"{row['points']} point{'s' * (row['points'] > 1)}" if row["points"] else ""
    box = "" if row["box"] == "none" else f"{row['box']} box"
    return " + ".join(part for part in (points, box) if part)
