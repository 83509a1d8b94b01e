"""The scores of a run as rows, from what `metrics.json` holds."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fewshot.config.base import Metric
from fewshot.config.names import WATERSHED


class ScoreRow(NamedTuple):
    """Mean scores of one contender.

    The adjusted Rand index over all and over foreground pixels, each under the merge rule that was
    tuned for it, and mask average precision from 0 to 1. The intervals are of the two indices, at
    95 %, where they are known.
    """

    name: str
    all_pixels: float
    foreground: float
    precision: float
    all_interval: tuple[float, float] | None = None
    foreground_interval: tuple[float, float] | None = None

    def of(self, metric: Metric) -> float:
        """Return the adjusted Rand index of one variant."""
        return self.all_pixels if metric == "all" else self.foreground


def score_table(metrics: Mapping[str, Any], part: str) -> list[ScoreRow]:
    """Return a row for each contender on one part of the data, `validation` or `test`.

    The watershed has no rule to tune and no average precision (NaN).
    """
    return [_row(name, scores) for name, scores in metrics[part].items()]


def _row(name: str, scores: Mapping[str, Any]) -> ScoreRow:
    baseline = name == WATERSHED
    everywhere = scores if baseline else scores["tuned_for_all"]
    foreground = scores if baseline else scores["tuned_for_foreground"]
    return ScoreRow(
        name,
        everywhere["ari_all"],
        foreground["ari_foreground"],
        math.nan if baseline else scores["average_precision"]["ap"],
        interval_of(everywhere, "all"),
        interval_of(foreground, "foreground"),
    )


def interval_of(scores: Mapping[str, Any], metric: Metric) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean score in `metrics.json`; None where there is none."""
    interval = scores.get(f"ari_{metric}_interval")
    if interval is None:
        return None
    low, high = interval
    return float(low), float(high)
