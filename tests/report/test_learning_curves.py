import json
from pathlib import Path

import numpy as np
import pytest

from fewshot.report.learning_curves import Curve, read_curve


def curve_of(losses: list[float]) -> Curve:
    none = np.zeros(0)
    return Curve(np.arange(1.0, len(losses) + 1), np.array(losses), none, none)


def test_curve_counts_iterations_done(tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    rows = [
        {"iteration": 0, "total_loss": 4.0},
        {"iteration": 1, "total_loss": float("nan")},
        {"iteration": 2, "total_loss": 2.0, "validation/ap": 0.25},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + '\n{"iteration": 3, "tot')
    curve = read_curve(path)
    assert curve is not None
    assert curve.iterations.tolist() == [1, 3]
    assert curve.losses.tolist() == [4, 2]
    assert (curve.evaluated.tolist(), curve.precisions.tolist()) == ([3], [0.25])


@pytest.mark.parametrize("text", [None, "", "\n", '{"iteration": 0}\n', '[1]\n"a"\n'])
def test_nothing_read_is_no_curve(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    if text is not None:
        path.write_text(text)
    assert read_curve(path) is None


@pytest.mark.parametrize("count", [1, 2, 39, 40, 1000, 3500])
def test_smoothing_keeps_ends_level_and_number_of_points_small(count: int) -> None:
    x, y = curve_of([2.0] * count).smoothed()
    assert len(x) == len(y) == min(count, 300)
    assert (x[0], x[-1]) == (1, count)
    np.testing.assert_allclose(y, 2.0)


def test_smoothing_is_a_running_mean() -> None:
    losses = np.random.default_rng(0).random(200)
    _, y = curve_of(losses.tolist()).smoothed()
    assert y[100] == pytest.approx(losses[95:106].mean())
    assert y[0] == pytest.approx(losses[:6].mean())
