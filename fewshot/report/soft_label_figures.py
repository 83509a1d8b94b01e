"""Figures of the soft labels: scores, masks per slice, and the effect of thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fewshot.drawing.figures import Picture, draw, legend_above, model_lines
from fewshot.drawing.palette import BLUE, INK, ORANGE
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.radiologists.reliability import right_masks

_STEPS = np.round(np.arange(0.05, 1.0, 0.05), 2)
_MOST_BARS = 30

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision and recall of a model's masks on validation slices by score threshold.

    `precision` is the share of kept masks that are right (NaN if none is kept), `found` the share
    of true structures that a kept mask finds, at each of the `thresholds`.
    """

    thresholds: Values
    precision: Values
    found: Values


def threshold_curve(truth: SliceSet, predictions: SliceSet) -> ThresholdCurve | None:
    """Return the curve of one model; None without true structures or masks.

    A mask is right if its IoU with a true mask, not matched by a mask of higher score, is at least
    0.5. That does not depend on the threshold, because only masks of higher score come before it.
    """
    scores: list[float] = []
    right: list[bool] = []
    structures = 0
    for record in truth.records:
        labels = truth.masks_of(record.image_id)
        structures += len(labels)
        masks = predictions.masks.get(record.image_id)
        if masks is not None and len(masks):
            scores += masks.scores.tolist()
            right += right_masks(masks, labels) if len(labels) else [False] * len(masks)
    if not scores or not structures:
        return None
    kept = np.array(scores)[np.newaxis] >= _STEPS[:, np.newaxis]
    good = (kept & np.array(right)[np.newaxis]).sum(axis=1)
    count = kept.sum(axis=1)
    precision = np.where(count > 0, good / np.maximum(count, 1), np.nan)
    return ThresholdCurve(_STEPS, precision, good / structures)


def kept_mask_figures(
    truth: Path | None, predictions: Mapping[str, Path], chosen: Mapping[str, float]
) -> list[Picture]:
    """Return precision and recall against the threshold, for each radiologist.

    Args:
        truth: validation slices (COCO).
        predictions: radiologist → its predictions of them (COCO), if the file exists.
        chosen: radiologist → the score threshold of its soft labels, if any.
    """
    there = {name: path for name, path in predictions.items() if path.is_file()}
    if truth is None or not truth.is_file() or not there:
        return []
    labels = read_coco(truth)
    read = {name: threshold_curve(labels, read_coco(path)) for name, path in there.items()}
    curves = {name: curve for name, curve in read.items() if curve is not None}
    if not curves:
        return []
    slices = f"{len(labels)} validation slices"
    marks = "Outlined points: the thresholds of the soft labels." if chosen else ""
    return [
        _figure(
            {name: (curve.thresholds, curve.precision) for name, curve in curves.items()},
            chosen,
            "precision (0 to 1)",
            f"Share of the masks from a score on that are right (IoU of at least 0.5 with a true "
            f"structure), on {slices}. {marks}",
        ),
        _figure(
            {name: (curve.thresholds, curve.found) for name, curve in curves.items()},
            chosen,
            "structures found (0 to 1)",
            f"Share of the true structures that these masks find, on the same slices. {marks}",
        ),
    ]


def soft_score_figure(counts: Sequence[int]) -> Picture:
    """Return the histogram of soft labels by score, from counts in equal bins from 0 to 1."""
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


def masks_a_slice_figure(soft: Path, labelled: Path | None) -> Picture | None:
    """Return the histogram of masks per slice, soft-labelled and labelled; None without any."""
    if not soft.is_file():
        return None
    counts = {"soft-labelled": _counts(read_coco(soft))}
    if labelled is not None and labelled.is_file():
        counts["labelled"] = _counts(read_coco(labelled))
    counts = {name: values for name, values in counts.items() if len(values)}
    if "soft-labelled" not in counts:
        return None
    largest = max(int(values.max()) for values in counts.values())
    width = max(1, -(-(largest + 1) // _MOST_BARS))
    edges = np.arange(0, largest + 1 + width, width)
    styles = {"soft-labelled": (BLUE, -0.21), "labelled": (ORANGE, 0.21)}

    def plot(axes: Axes) -> None:
        for name, values in counts.items():
            color, shift = styles[name]
            shares = 100 * np.histogram(values, bins=edges)[0] / len(values)
            middle = edges[:-1] + (width - 1) / 2
            axes.bar(middle + shift * width, shares, 0.4 * width, color=color, label=name)
        axes.set(xlabel="masks on the slice", ylabel="share of the slices (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_above(axes)

    means = [f"{name} {values.mean():.1f} on average" for name, values in counts.items()]
    return draw(
        plot,
        "Masks on a slice, soft-labelled and labelled ones; slices without any mask count too.",
        f"Share of the slices by number of masks: {', '.join(means)}.",
    )


def _counts(slices: SliceSet) -> NDArray[np.int64]:
    return np.array([len(slices.masks_of(record.image_id)) for record in slices.records], np.int64)


def _figure(
    curves: Mapping[str, tuple[Values, Values]],
    chosen: Mapping[str, float],
    label: str,
    caption: str,
) -> Picture:
    def plot(axes: Axes) -> None:
        for name, line in model_lines(curves).items():
            x, y = curves[name]
            axes.plot(x, y, color=line.color, ls=line.dash, lw=1.8, label=name)
            if name in chosen and chosen[name] <= 1:
                axes.plot(
                    chosen[name],
                    _at(curves[name], chosen[name]),
                    line.marker,
                    color=line.color,
                    markersize=9,
                    mec=INK,
                    mew=1.2,
                )
        axes.set(xlabel="score threshold (0 to 1)", ylabel=label, xlim=(0, 1), ylim=(0, 1.02))
        legend_above(axes)

    texts = [
        f"{name} {_at(curves[name], at):.2f} at {at:g}"
        for name, at in chosen.items()
        if name in curves and at <= 1
    ] or [f"{name} {np.nanmax(y):.2f} at best" for name, (_, y) in curves.items()]
    return draw(plot, caption, f"{label.capitalize()} against score threshold: {', '.join(texts)}.")


def _at(curve: tuple[Values, Values], threshold: float) -> float:
    return float(np.interp(threshold, *curve))
