"""The scores of a run as rows, from what `metrics.json` holds."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fewshot.config.base import Metric

WATERSHED, FINAL, CONTROL = "watershed", "final", "control"


class ScoreRow(NamedTuple):
    """Mean scores of one contender.

    The adjusted Rand index over all and over foreground pixels, each under the merge rule that was
    tuned for it, and mask average precision from 0 to 1.
    """

    name: str
    all_pixels: float
    foreground: float
    precision: float

    def of(self, metric: Metric) -> float:
        """Return the adjusted Rand index of one variant."""
        return self.all_pixels if metric == "all" else self.foreground


def score_table(metrics: Mapping[str, Any], part: str) -> list[ScoreRow]:
    """Return a row for each contender on one part of the data, `validation` or `test`.

    The watershed has no rule to tune and no average precision (NaN).
    """
    return [_row(name, scores) for name, scores in metrics[part].items()]


def _row(name: str, scores: Mapping[str, Any]) -> ScoreRow:
    if name == WATERSHED:
        return ScoreRow(name, scores["ari_all"], scores["ari_foreground"], math.nan)
    return ScoreRow(
        name,
        scores["tuned_for_all"]["ari_all"],
        scores["tuned_for_foreground"]["ari_foreground"],
        scores["average_precision"]["ap"],
    )
