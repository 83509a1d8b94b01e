"""Foreground IoU and Dice against scikit-learn, at real size; batches add up."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from fewshot.metrics.contingency import ForegroundCounts


def test_it_agrees_with_scikit_learn_at_full_size() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 3, (2, 512, 512))
    counts = ForegroundCounts.of(truth, prediction)
    flat = truth.ravel() > 0, prediction.ravel() > 0
    assert counts.iou == pytest.approx(jaccard_score(*flat))
    assert counts.dice == pytest.approx(f1_score(*flat))


def test_batches_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 2, (2, 8, 16, 16))
    parts = [ForegroundCounts.of(*pair) for pair in zip(truth, prediction, strict=True)]
    assert sum(parts, ForegroundCounts()) == ForegroundCounts.of(truth, prediction)


@pytest.mark.parametrize(
    ("truth", "prediction", "iou"),
    [
        ([0, 0], [0, 0], 1.0),  # nothing there, nothing said
        ([0, 0], [0, 1], 0.0),
        ([1, 0], [0, 0], 0.0),
    ],
)
def test_edge_cases(truth: list[int], prediction: list[int], iou: float) -> None:
    counts = ForegroundCounts.of(np.array(truth), np.array(prediction))
    assert (counts.iou, counts.dice) == (iou, iou)
