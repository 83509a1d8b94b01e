"""The table of metrics: what is measured on every slice, and how it is called and shown.

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
    """Return a number as tables show it; a dash for NaN, and with `signed` a plus where due."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", _MINUS)


@dataclass(frozen=True)
class Measure:
    """A number that says how good a model is.

    Attributes:
        name: its key in JSON and CSV.
        heading: what stands over its column.
        meaning: what it is, in a few words.
        higher_is_better: None where neither is better.
        digits: decimals that tables show.
    """

    name: str
    heading: str
    meaning: str
    _: KW_ONLY
    higher_is_better: bool | None = True
    digits: int = 3

    def text(self, value: float, *, signed: bool = False) -> str:
        """Return a value as tables show it; a dash for NaN, and with `signed` a plus where due."""
        return decimals(value, self.digits, signed=signed)


@dataclass(frozen=True)
class SliceMetric(Measure):
    """A measure of a predicted label map of one slice.

    Attributes:
        of: computes it from the true and the predicted label map.
        has_column: whether it has a column in the tables of models; others are listed below them.
        needs_truth: whether one of the two label maps must be the truth, so that it says nothing
            about two annotators.
        tuned_for: the variant of the Rand index that it is, whose merge rule it is taken under;
            None for others, which are taken under the rule of the submission.
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
    """Return a metric that counts structures; those that should be few have a column."""
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
    """Return every metric of a predicted label map; its pixels are counted once.

    Raises `InputError` when the shapes differ or ids are negative or not integers.

    >>> scores = score_label_maps(np.array([1, 1, 2, 2]), np.array([1, 1, 0, 0]))
    >>> scores["dice"], scores["missed"], scores["extra"]
    (0.5, 1, 0)
    """
    pair = LabelPair(truth, prediction)
    return {name: metric.of(pair) for name, metric in METRICS.items()}


def empty_slice_scores() -> dict[str, SliceScores]:
    """Return what a slice without any true region scores, by what was predicted on it.

    The region is one on a part of the slice: a single region on all of it is the same partition as
    none, and scores 1 in the adjusted Rand index.
    """
    empty, region = np.zeros(4, dtype=np.uint8), np.array([0, 1, 1, 0], dtype=np.uint8)
    return {
        "nothing_predicted": score_label_maps(empty, empty),
        "region_predicted": score_label_maps(empty, region),
    }
