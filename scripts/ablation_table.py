"""The tables of an ablation: final against control, with intervals resampled by patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.config.names import CONTROL, FINAL, is_radiologists_name
from fewshot.files import atomic_path, write_json, write_text
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.metrics.scores import as_csv
from fewshot.metrics.slice_metrics import METRICS, SliceScores
from fewshot.run.scores import read_run_scores
from fewshot.slices.groups import read_groups

VARIANTS: dict[Metric, str] = {"all": "all pixels", "foreground": "foreground, nearest fill"}
SlicesOfModels = dict[str, dict[str, SliceScores]]


@dataclass(frozen=True)
class RowScores:
    """One run: its row and seed, variant → model → image → metric → score, `metrics.json`.

    Each model is tuned for the variant.
    """

    row: str
    seed: int
    scores: Mapping[Metric, SlicesOfModels]
    metrics: Mapping[str, Any]


def read_scores(metrics: Path, per_image: Path) -> dict[Metric, SlicesOfModels]:
    """Return variant → model → test image → metric → score of a run."""
    models = read_run_scores(metrics, per_image).parts["test"]
    return {
        variant: {name: one.tuned_for[variant].per_image for name, one in models.items()}
        for variant in VARIANTS
    }


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
    write_text(out / "table.csv", as_csv(lines))
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
    variant: Metric,
    runs: Sequence[RowScores],
    patients: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return a line: the variant's index, then every metric under the same merge rules."""
    images = list(dict.fromkeys(name for one in runs for name in one.scores[variant][FINAL]))
    drawn = None if patients is None else [patients[name] for name in images]
    index = f"ari_{variant}"
    radiologists = [
        np.mean([one[index] for one in slices.values()])
        for run in runs
        for model, slices in run.scores[variant].items()
        if is_radiologists_name(model)
    ]
    gains = {name: _gain(runs, variant, name, images, drawn) for name in METRICS}
    return {
        "labelled": labelled,
        "row": row,
        "variant": variant,
        "seeds": len(runs),
        "best_radiologist": round(float(max(radiologists)), 4),
        **gains[index],
        **{f"{name}_{key}": value for name, gain in gains.items() for key, value in gain.items()},
    }


def _gain(
    runs: Sequence[RowScores],
    variant: Metric,
    metric: str,
    images: Sequence[str],
    patients: Sequence[str] | None,
) -> dict[str, float]:
    """Return the means of control and final, and final minus control with its interval."""
    final, control = (_values(runs, variant, model, metric, images) for model in (FINAL, CONTROL))
    (gain,) = bootstrap_means((final - control)[:, None], patients)
    low, high = gain.interval or (float("nan"), float("nan"))
    means = {"control": float(control.mean()), "final": float(final.mean())}
    found = {**means, "gain": gain.mean, "low": low, "high": high}
    return {key: round(value, 4) for key, value in found.items()}


def _values(
    runs: Sequence[RowScores], variant: Metric, model: str, metric: str, images: Sequence[str]
) -> NDArray[np.float64]:
    """Return a metric of each image, its mean over the seeds that scored it (folds: one)."""
    slices = [one.scores[variant][model] for one in runs]
    known = ([one[image][metric] for one in slices if image in one] for image in images)
    return np.array([np.mean(values) for values in known])


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
