"""The tables of an ablation: final against control, with intervals resampled by patient."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fewshot.config.names import CONTROL, FINAL, is_radiologists_name
from fewshot.files import atomic_path, write_json, write_text
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.slices.groups import read_groups

VARIANTS = {"all": "all pixels", "foreground": "foreground, nearest fill"}
Scores = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class RowScores:
    """One run: its row and seed, variant → model → image → score, and its `metrics.json`."""

    row: str
    seed: int
    scores: Scores
    metrics: Mapping[str, Any]


def read_scores(per_image: Path) -> Scores:
    """Return variant → model → test image → score, each model tuned for that variant."""
    scores: Scores = {variant: {} for variant in VARIANTS}
    with per_image.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            variant = row["tuned_for"]
            if row["part"] == "test" and variant in scores:
                of_model = scores[variant].setdefault(row["model"], {})
                of_model[row["image"]] = float(row[f"ari_{variant}"])
    return scores


def write_tables(rows: Mapping[int, Sequence[RowScores]], groups: Path | None, out: Path) -> None:
    """Write table.csv, table.json and table.png: one line a row, number of labels and variant.

    Intervals are of the mean over slices and seeds; patients are drawn, or slices without groups.
    With several numbers of labelled slices there is also curve.png: the scores over that number.
    """
    patients = None if groups is None else read_groups(groups)
    lines = [
        _line(labelled, row, variant, [one for one in found if one.row == row], patients)
        for labelled, found in rows.items()
        for row in dict.fromkeys(one.row for one in found)
        for variant in VARIANTS
    ]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(out / "table.csv", buffer.getvalue())
    write_json(out / "table.json", lines)
    figures = {"table.png": _figure(lines)}
    if len(rows) > 1:
        figures["curve.png"] = _few_shot_curve(lines)
    for name, figure in figures.items():
        with atomic_path(out / name) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def _line(
    labelled: int,
    row: str,
    variant: str,
    runs: Sequence[RowScores],
    patients: Mapping[str, str] | None,
) -> dict[str, Any]:
    images = list(dict.fromkeys(name for one in runs for name in one.scores[variant][FINAL]))
    final, control = (_values(runs, variant, model, images) for model in (FINAL, CONTROL))
    difference = final - control
    drawn = None if patients is None else [patients[name] for name in images]
    (gain,) = bootstrap_means(difference[:, None], drawn)
    low, high = gain.interval or (float("nan"), float("nan"))
    readers = [
        np.mean(list(scores.values()))
        for one in runs
        for model, scores in one.scores[variant].items()
        if is_radiologists_name(model)
    ]
    return {
        "labelled": labelled,
        "row": row,
        "variant": variant,
        "seeds": len(runs),
        "best_radiologist": round(float(max(readers)), 4),
        "control": round(float(control.mean()), 4),
        "final": round(float(final.mean()), 4),
        "gain": round(gain.mean, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def _values(
    runs: Sequence[RowScores], variant: str, model: str, images: Sequence[str]
) -> NDArray[np.float64]:
    """Return the score of each image, its mean over the seeds that scored it (folds: one)."""
    scores = [one.scores[variant][model] for one in runs]
    return np.array([np.mean([one[name] for one in scores if name in one]) for name in images])


def _figure(lines: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(9, 1.5 + 0.32 * len(lines) / 2), layout="constrained")
    axes = figure.subplots(1, len(VARIANTS), sharey=True)
    colours = colormaps["cividis"](np.linspace(0.1, 0.8, len({one["labelled"] for one in lines})))
    numbers = list(dict.fromkeys(one["labelled"] for one in lines))
    for axis, (variant, title) in zip(axes, VARIANTS.items(), strict=True):
        chosen = [one for one in lines if one["variant"] == variant]
        for place, one in enumerate(chosen):
            ends = np.nan_to_num([[one["gain"] - one["low"]], [one["high"] - one["gain"]]])
            colour = colours[numbers.index(one["labelled"])]
            axis.errorbar(one["gain"], place, xerr=ends, fmt="o", color=colour, capsize=3)
        axis.axvline(0, color="0.5", linewidth=1)
        axis.set_title(title)
        axis.set_xlabel("gain in adjusted Rand index (final minus control)")
        axis.set_yticks(
            range(len(chosen)),
            [f"{one['row']}, {one['labelled']} labelled" for one in chosen],
        )
        axis.grid(axis="x", alpha=0.3)
    axes[0].invert_yaxis()
    return figure


def _few_shot_curve(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw final (solid) and control (dashed) of each row over the number of labelled slices."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(VARIANTS))
    names = list(dict.fromkeys(one["row"] for one in lines))
    colours = colormaps["cividis"](np.linspace(0.1, 0.7, len(names)))
    for axis, (variant, title) in zip(axes, VARIANTS.items(), strict=True):
        for name, colour in zip(names, colours, strict=True):
            chosen = [one for one in lines if one["row"] == name and one["variant"] == variant]
            chosen.sort(key=lambda one: one["labelled"])
            numbers = [one["labelled"] for one in chosen]
            for model, style, fill in ((FINAL, "o-", colour), (CONTROL, "o--", "white")):
                axis.plot(
                    numbers,
                    [one[model] for one in chosen],
                    style,
                    color=colour,
                    markerfacecolor=fill,
                    label=f"{name}: {model}",
                )
        ticks = sorted({one["labelled"] for one in lines})
        axis.set_xscale("log")
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set_title(title)
        axis.set_xlabel("labelled slices")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("adjusted Rand index")
    axes[0].legend(loc="lower right", fontsize="small")
    return figure
