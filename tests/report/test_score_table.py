import math
from typing import Any

import pytest

from fewshot.report.score_table import ScoreRow, score_table


def tuned(every: float, foreground: float) -> dict[str, Any]:
    return {"ari_all": every, "ari_foreground": foreground, "images": 3}


METRICS = {
    "answer": {"part": "validation"},
    "validation": {
        "watershed": tuned(0.1, 0.2),
        "final": {
            "average_precision": {"ap": 0.3, "ap50": 0.6, "ap75": 0.2},
            "tuned_for_all": tuned(0.7, 0.4),
            "tuned_for_foreground": tuned(0.2, 0.9),
        },
    },
}


def test_each_column_is_the_score_tuned_for_it() -> None:
    watershed, final = score_table(METRICS, "validation")
    assert final[:4] == ("final", 0.7, 0.9, 0.3)
    assert watershed[:3] == ("watershed", 0.1, 0.2)
    assert math.isnan(watershed.precision)


@pytest.mark.parametrize(("metric", "value"), [("all", 0.7), ("foreground", 0.9)])
def test_row_gives_the_score_of_a_metric(metric: Any, value: float) -> None:
    assert ScoreRow("final", 0.7, 0.9, 0.3).of(metric) == value
