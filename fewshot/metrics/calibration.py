"""Choosing score threshold, minimum area and background policy on the validation slices.

The two variants of the adjusted Rand index reward opposite post-processing, so each has a rule of
its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.config.tree import MergeSettings
from fewshot.errors import InputError
from fewshot.masks.merge import Background, MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import RandScore, score_slice
from fewshot.slices.arrays import ByteLabelMap

_Value = TypeVar("_Value", int, float)

_THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
_MIN_AREAS = (0.0, 0.0005, 0.001, 0.002, 0.004)  # fractions of the slice
_ROUNDING = 1e-12  # more than the rounding error of a mean score, less than one pixel changes it


@dataclass(frozen=True)
class Calibration:
    """A merge rule, the metric it was chosen for, and its validation scores.

    Attributes:
        metric: the variant of the adjusted Rand index that was maximised.
        rule: the chosen rule.
        validation: mean scores of the chosen rule on the validation slices.
        curve: score threshold → mean scores, with the rest of the rule as chosen.
    """

    metric: Metric
    rule: MergeRule
    validation: RandScore
    curve: dict[float, RandScore]

    def as_json(self) -> dict[str, Any]:
        """Return the calibration as plain values."""
        curve = [{"score_threshold": at, **asdict(score)} for at, score in self.curve.items()]
        return {
            "metric": self.metric,
            "rule": asdict(self.rule),
            "validation": asdict(self.validation),
            "curve": curve,
        }

    @classmethod
    def from_json(cls, metric: Metric, content: Mapping[str, Any]) -> Self:
        """Return the calibration from `as_json`."""
        curve = {
            point["score_threshold"]: RandScore(point["foreground"], point["all_pixels"])
            for point in content["curve"]
        }
        rule, validation = MergeRule(**content["rule"]), RandScore(**content["validation"])
        return cls(metric, rule, validation, curve)


def choose_rule(
    truth: Mapping[int, ByteLabelMap],
    predictions: Mapping[int, SliceMasks],
    merge: MergeSettings,
    metric: Metric,
    score_threshold: float | None = None,
) -> Calibration:
    """Return a merge rule that scores well on the validation slices without overfitting them.

    Background and score threshold are searched together, then the minimum area, then the score
    threshold once more; what the settings fix is kept. With few slices the peak of a flat curve is
    an accident, so the middle one is taken of all thresholds (and areas) within one standard error
    of the best, like the one-standard-error rule for model selection (Hastie, Tibshirani and
    Friedman, The Elements of Statistical Learning, section 7.10).

    Args:
        truth: image id → label map; at least one.
        predictions: image id → masks; slices that are not in it have none.
        merge: background and minimum area, fixed or `auto`.
        metric: the variant to maximise.
        score_threshold: a fixed threshold, or None to choose it.
    """
    if not truth:
        raise InputError("calibration: there are no validation slices to choose on")
    truth = dict(sorted(truth.items()))  # so that rounding does not depend on the order given
    first = next(iter(truth.values()))
    thresholds = _THRESHOLDS if score_threshold is None else (score_threshold,)
    backgrounds: Sequence[Background] = (
        ("keep", "nearest") if merge.background == "auto" else (merge.background,)
    )
    areas = (
        [round(fraction * first.size) for fraction in _MIN_AREAS]
        if merge.min_area == "auto"
        else [merge.min_area]
    )

    def scores(rule: MergeRule) -> list[RandScore]:
        return slice_scores(truth, predictions, rule)

    def middle(candidates: Mapping[_Value, list[RandScore]]) -> _Value:
        good = _as_good_as_the_best([_of(metric, one) for one in candidates.values()])
        return list(candidates)[good[len(good) // 2]]

    by_background = {
        background: {at: scores(MergeRule(at, min(areas), background)) for at in thresholds}
        for background in backgrounds
    }
    background = max(
        backgrounds,
        key=lambda one: max(_of(metric, row).mean() for row in by_background[one].values()),
    )
    rule = MergeRule(middle(by_background[background]), min(areas), background)
    by_area = {area: scores(replace(rule, min_area=area)) for area in areas}
    rule = replace(rule, min_area=middle(by_area))
    curve = {at: scores(replace(rule, score_threshold=at)) for at in thresholds}
    rule = replace(rule, score_threshold=middle(curve))
    means = {at: _mean(row) for at, row in curve.items()}
    return Calibration(metric, rule, means[rule.score_threshold], means)


def slice_scores(
    truth: Mapping[int, ByteLabelMap], predictions: Mapping[int, SliceMasks], rule: MergeRule
) -> list[RandScore]:
    """Return the score of each slice, in the order of `truth`, with masks merged by a rule."""
    scores = []
    for image_id, labels in truth.items():
        masks = predictions.get(image_id) or SliceMasks.empty(image_id, *labels.shape)
        scores.append(score_slice(labels, merge_masks(masks, rule)))
    return scores


def _as_good_as_the_best(rows: Sequence[NDArray[np.float64]]) -> list[int]:
    """Return the places of the rows whose mean is within one standard error of the best row's.

    The standard error is that of the paired difference, as a slice is hard or easy for all rules.
    A difference on a single slice is exactly one standard error, whatever its size; it counts as
    within, and rounding must not decide it.
    """
    best = max(rows, key=lambda row: float(row.mean()))
    error = 1 / np.sqrt(len(best))
    return [
        place
        for place, row in enumerate(rows)
        if np.mean(best - row) <= error * np.std(best - row, ddof=min(1, len(row) - 1)) + _ROUNDING
    ]


def _mean(scores: Sequence[RandScore]) -> RandScore:
    return RandScore(
        foreground=float(_of("foreground", scores).mean()),
        all_pixels=float(_of("all", scores).mean()),
    )


def _of(metric: Metric, scores: Sequence[RandScore]) -> NDArray[np.float64]:
    return np.array([one.of(metric) for one in scores])
