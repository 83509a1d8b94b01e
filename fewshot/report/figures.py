"""The report's figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fewshot.config.base import Metric
from fewshot.config.names import CONTROL, FINAL
from fewshot.drawing.figures import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Picture,
    draw,
)
from fewshot.report.findings import METRIC_WORDS
from fewshot.report.learning_curves import LOSSES, Curve
from fewshot.report.number_format import decimals

_RADIOLOGISTS = (BLUE, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = "s^Dv<>pP"


@dataclass(frozen=True)
class Line:
    """How a model is drawn: colour, marker, dashes, width in points."""

    color: str
    marker: str
    dash: Any
    width: float


def loss_figure(curves: Mapping[str, Curve], part: str | None = None) -> Picture:
    """Return the smoothed total loss, or a part of it, against iterations, on common axes."""
    name = "total loss" if part is None else LOSSES[part]
    shown = {
        model: curve.smoothed(part)
        for model, curve in curves.items()
        if (len(curve.losses) if part is None else part in curve.parts)
    }

    def plot(axes: Axes) -> None:
        for model, line in lines_of(curves).items():
            if model in shown:
                x, y = shown[model]
                axes.plot(x, y, color=line.color, ls=line.dash, lw=line.width, label=model)
        axes.set(xlabel="iterations", ylabel=f"{name}, running mean")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_above(axes)

    ends = [f"{model} {losses[-1]:.2f}" for model, (_, losses) in shown.items()]
    return draw(
        plot,
        f"{name.capitalize()} while training: running mean over a twentieth of the training.",
        f"{name.capitalize()} against iterations. At the end: {', '.join(ends)}.",
    )


def precision_figure(curves: Mapping[str, Curve]) -> Picture:
    """Return the validation average precision of each model against iterations."""

    def plot(axes: Axes) -> None:
        for name, line in lines_of(curves).items():
            axes.plot(
                curves[name].evaluated,
                curves[name].precisions,
                color=line.color,
                ls=line.dash,
                lw=line.width,
                marker=line.marker,
                markersize=5,
                label=name,
                clip_on=False,
            )
        axes.set(xlabel="iterations", ylabel="validation mask AP (0 to 1)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_above(axes)

    ends = [
        f"{name} {curve.precisions[-1]:.3f}"
        for name, curve in curves.items()
        if len(curve.precisions)
    ]
    return draw(
        plot,
        "Mask average precision (IoU 0.50 to 0.95) on the validation slices while training.",
        f"Validation average precision against iterations. Last: {', '.join(ends)}.",
    )


def soft_score_figure(counts: Sequence[int]) -> Picture:
    """Return the number of soft labels by score, from counts in equal bins from 0 to 1."""
    edges = np.linspace(0, 1, len(counts) + 1)

    def plot(axes: Axes) -> None:
        axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.94, align="edge", color=BLUE)
        axes.set(xlabel="score of the mask (0 to 1)", ylabel="soft labels (masks)", xlim=(0, 1))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    shown = [
        f"{count} from {low:.1f} to {low + 1 / len(counts):.1f}"
        for low, count in zip(edges, counts, strict=False)
        if count
    ]
    return draw(
        plot,
        "Soft labels by the score that their radiologist gave them.",
        f"Soft labels by score: {', '.join(shown) or 'none'}.",
    )


def threshold_figure(
    curves: Mapping[Metric, Sequence[tuple[float, float]]],
    chosen: Mapping[Metric, tuple[float, float]],
    metric: Metric,
) -> Picture:
    """Return the adjusted Rand index against the score threshold, with the chosen points.

    Args:
        curves: variant → (score threshold, mean index on validation slices) under its own rule.
        chosen: variant → the chosen threshold and its index.
        metric: the variant of the submission, which is drawn heavier.
    """

    def plot(axes: Axes) -> None:
        styles: dict[Metric, tuple[str, str, str]] = {
            "all": (BLUE, "-", "o"),
            "foreground": (VERMILION, "--", "s"),
        }
        for variant, points in curves.items():
            color, dash, marker = styles[variant]
            width = 2.4 if variant == metric else 1.4
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=color, ls=dash, lw=width, label=METRIC_WORDS[variant])
            axes.plot(*chosen[variant], marker, color=color, markersize=9, mec=INK, mew=1.2)
        axes.set(xlabel="score threshold (0 to 1)", ylabel="adjusted Rand index, validation")
        axes.set_xlim(0, 1)
        axes.margins(y=0.12)
        legend_above(axes)

    texts = [
        f"{METRIC_WORDS[variant]}: chosen {at:g} with {value:.3f}"
        for variant, (at, value) in chosen.items()
    ]
    return draw(
        plot,
        "Mean ARI on the validation slices against the score threshold, the rest of each rule as "
        "chosen. Outlined points: what was chosen.",
        f"Adjusted Rand index against score threshold. {'; '.join(texts)}.",
    )


def slice_score_figure(scores: Sequence[float], metric: Metric, part: str) -> Picture:
    """Return how the final model's scores spread over slices, with their mean."""
    values = np.asarray(scores, dtype=np.float64)
    low = min(0.0, np.floor(values.min() * 10) / 10)
    mean, middle = float(values.mean()), float(np.median(values))
    bins = np.linspace(low, 1, round((1 - low) * 20) + 1)

    def plot(axes: Axes) -> None:
        axes.hist(np.clip(values, low, 1), bins=bins.tolist(), rwidth=0.92, color=BLUE)
        axes.axvline(mean, color=INK, lw=1.4, ls="--")
        axes.annotate(
            f"mean {decimals(mean)}",
            (mean, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        axes.set(xlabel=f"adjusted Rand index, {METRIC_WORDS[metric]}", ylabel=f"{part} slices")
        axes.set_xlim(low, 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    return draw(
        plot,
        "Scores of single slices under the merge rule of the submission.",
        f"Spread of the adjusted Rand index over {len(values)} {part} slices: lowest "
        f"{values.min():.3f}, median {middle:.3f}, mean {mean:.3f}, highest {values.max():.3f}.",
    )


def lines_of(names: Iterable[str]) -> dict[str, Line]:
    """Return how each model is drawn: the final one heavy, its control dashed."""
    lines: dict[str, Line] = {}
    others = 0
    for name in names:
        if name == FINAL:
            lines[name] = Line(VERMILION, "o", "-", 2.4)
        elif name == CONTROL:
            lines[name] = Line(INK, "X", (0, (4, 2)), 1.6)
        else:
            dash = "-" if others < len(_RADIOLOGISTS) else ":"
            color = _RADIOLOGISTS[others % len(_RADIOLOGISTS)]
            lines[name] = Line(color, _MARKERS[others % len(_MARKERS)], dash, 1.4)
            others += 1
    return lines


def legend_above(axes: Axes) -> None:
    """Put the legend above the axes, where no line can hide it."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        frameon=False,
        borderpad=0,
        handlelength=2.2,
        columnspacing=1.2,
    )
