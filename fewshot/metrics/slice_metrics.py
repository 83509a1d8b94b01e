"""The table of metrics: what is measured on every slice, its name and how it is shown.

A new metric is a file with its function and a line here: `fewshot score`, `metrics.json`,
`per_image.csv`, the report and the ablation's table all read this table.
"""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import numpy as np

from fewshot.config.base import Metric
from fewshot.metrics.kappa import foreground_kappa, region_kappa
from fewshot.metrics.overlap import LabelPair
from fewshot.metrics.rand import adjusted_rand_of
from fewshot.slices.arrays import Labels

_MINUS = "\N{MINUS SIGN}"

SliceScores = dict[str, float]
"""The value of each metric on one slice, by the metric's name."""


def decimals(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number as tables show it: a dash for NaN, with `signed` always a sign."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", _MINUS)


@dataclass(frozen=True)
class Measure:
    """A measure of a model's quality.

    Attributes:
        name: its key in JSON and CSV.
        heading: of its column in tables.
        meaning: in a few words.
        higher_is_better: None if neither is better.
        digits: decimals shown in tables.
    """

    name: str
    heading: str
    meaning: str
    _: KW_ONLY
    higher_is_better: bool | None = True
    digits: int = 3

    def text(self, value: float, *, signed: bool = False) -> str:
        """Return a value as tables show it; see `decimals`."""
        return decimals(value, self.digits, signed=signed)


@dataclass(frozen=True)
class SliceMetric(Measure):
    """A measure of a predicted label map of one slice.

    Attributes:
        of: computes it from the true and the predicted label map.
        has_column: whether it has a column in the tables of models; others are listed below.
        needs_truth: whether one label map must be the truth, so that it cannot compare annotators.
        tuned_for: for a variant of the Rand index, that variant: it is computed under the merge
            rule tuned for it. None for others, computed under the rule of the submission.
    """

    of: Callable[[LabelPair], float]
    _: KW_ONLY
    has_column: bool = False
    needs_truth: bool = False
    tuned_for: Metric | None = None


def _count(
    name: str,
    heading: str,
    meaning: str,
    of: Callable[[LabelPair], float],
    lower_is_better: bool = False,
) -> SliceMetric:
    """Return a metric that counts structures; those that should be low have a column."""
    return SliceMetric(
        name,
        heading,
        meaning,
        of,
        higher_is_better=False if lower_is_better else None,
        digits=2,
        has_column=lower_is_better,
        needs_truth=True,
    )


_TABLE = (
    SliceMetric(
        "ari_all",
        "ARI, all pixels",
        "adjusted Rand, all pixels",
        lambda pair: adjusted_rand_of(pair.cells),
        has_column=True,
        tuned_for="all",
    ),
    SliceMetric(
        "ari_foreground",
        "ARI, foreground",
        "adjusted Rand, foreground (pixels with a true label)",
        lambda pair: adjusted_rand_of(pair.cells.foreground()),
        has_column=True,
        needs_truth=True,
        tuned_for="foreground",
    ),
    SliceMetric("iou", "IoU", "IoU of best-matching regions", lambda pair: pair.matching.iou()),
    SliceMetric(
        "dice",
        "Dice",
        "Dice of best-matching regions",
        lambda pair: pair.matching.dice(),
        has_column=True,
    ),
    SliceMetric(
        "ap50",
        "AP50",
        "average precision at IoU 0.50, without scores",
        lambda pair: float(pair.matching.precision()[0]),
    ),
    SliceMetric(
        "ap",
        "AP",
        "average precision at IoU 0.50:0.95, without scores",
        lambda pair: float(pair.matching.precision().mean()),
    ),
    SliceMetric(
        "kappa",
        "Kappa",
        "Cohen's kappa, foreground or background",
        lambda pair: foreground_kappa(pair.cells),
    ),
    SliceMetric(
        "kappa_regions",
        "Kappa, regions",
        "Cohen's kappa, matched regions",
        lambda pair: region_kappa(pair.cells, pair.matching),
    ),
    _count(
        "missed",
        "Missed",
        "missed structures a slice (IoU below 0.50)",
        lambda pair: pair.matching.missed(),
        lower_is_better=True,
    ),
    _count(
        "extra",
        "Extra",
        "extra structures a slice (IoU below 0.50)",
        lambda pair: pair.matching.extra(),
        lower_is_better=True,
    ),
    _count(
        "true_regions",
        "Structures, true",
        "true structures a slice",
        lambda pair: pair.matching.true_regions,
    ),
    _count(
        "predicted_regions",
        "Structures, predicted",
        "predicted structures a slice",
        lambda pair: pair.matching.predicted_regions,
    ),
)
METRICS = {metric.name: metric for metric in _TABLE}
"""Every metric by its name, in the order in which tables list them."""


def score_label_maps(truth: Labels, prediction: Labels) -> SliceScores:
    """Return every metric of a predicted label map.

    Raises `InputError` when the shapes differ or ids are negative or not integers.

    >>> scores = score_label_maps(np.array([1, 1, 2, 2]), np.array([1, 1, 0, 0]))
    >>> scores["dice"], scores["missed"], scores["extra"]
    (0.5, 1, 0)
    """
    pair = LabelPair(truth, prediction)
    return {name: metric.of(pair) for name, metric in METRICS.items()}


def empty_slice_scores() -> dict[str, SliceScores]:
    """Return the scores of a slice without true regions, by what was predicted on it.

    The predicted region covers a part of the slice: one that covers all of it is the same partition
    as none, with an adjusted Rand index of 1.
    """
    empty, region = np.zeros(4, dtype=np.uint8), np.array([0, 1, 1, 0], dtype=np.uint8)
    return {
        "nothing_predicted": score_label_maps(empty, empty),
        "region_predicted": score_label_maps(empty, region),
    }
