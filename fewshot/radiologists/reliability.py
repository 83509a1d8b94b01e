"""Precision of masks as a function of their score, learnt on validation slices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.masks import rle as rle_codec
from fewshot.masks.predicted import SliceMasks

_RIGHT = 0.5  # minimum intersection over union of a correct mask
NEVER = 2.0  # a threshold that no score reaches


@dataclass(frozen=True, eq=False)
class Reliability:
    """The fraction of correct masks as a non-decreasing function of their score.

    `scores` ascend, with the `precision` at each; it is linear in between and constant beyond. Both
    are empty if nothing was predicted.
    """

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]

    def of(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return the precision of masks with these scores; 0 if nothing is known."""
        if not len(self.scores):
            return np.zeros(len(scores))
        return np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.precision)

    def threshold(self, precision: float) -> float:
        """Return the lowest score with that precision, or `NEVER` if no score has it."""
        good = np.flatnonzero(self.precision >= precision)
        if not len(good):
            return NEVER
        first = int(good[0])
        if first == 0:
            return float(self.scores[0])
        pair = slice(first - 1, first + 1)
        return float(np.interp(precision, self.precision[pair], self.scores[pair]))


def learn_reliability(
    truth: Iterable[SliceMasks], predictions: Mapping[int, SliceMasks]
) -> Reliability:
    """Return the reliability of a model's scores from its predictions on labelled slices.

    A mask is correct if its IoU with a true one, not matched by a mask of higher score on that
    slice, is at least 0.5. The function is the isotonic regression of correctness on score.

    Source: B. Zadrozny and C. Elkan, Transforming classifier scores into accurate multiclass
    probability estimates, KDD 2002; computed by scikit-learn.
    """
    from sklearn.isotonic import IsotonicRegression

    scores: list[float] = []
    right: list[bool] = []
    for labels in truth:
        masks = predictions.get(labels.image_id)
        if masks is not None and len(masks):
            scores += masks.scores.tolist()
            right += right_masks(masks, labels)
    if not scores:
        return Reliability(np.zeros(0), np.zeros(0))
    fit = IsotonicRegression(y_min=0, y_max=1).fit(scores, np.array(right, dtype=np.float64))
    return Reliability(fit.X_thresholds_.astype(np.float64), fit.y_thresholds_.astype(np.float64))


def right_masks(masks: SliceMasks, labels: SliceMasks) -> list[bool]:
    """Return which masks of a slice are correct; see `learn_reliability`."""
    overlap = rle_codec.iou(masks.rles, labels.rles)
    right = np.zeros(len(masks), dtype=bool)
    for place in np.argsort(-masks.scores, kind="stable"):
        best = int(overlap[place].argmax()) if overlap.shape[1] else -1
        if best >= 0 and overlap[place, best] >= _RIGHT:
            right[place] = True
            overlap[:, best] = 0
    return right.tolist()
