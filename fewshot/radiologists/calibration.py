"""Choosing score threshold, minimum area and background policy on the validation slices.

The two variants of the adjusted Rand index reward opposite post-processing, so a rule belongs to
the metric it was chosen for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.tree import MergeSettings, Metric
from fewshot.masks.merge import Background, MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import RandScore, score_slice

LabelMap = NDArray[np.uint8]

_THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
_MIN_AREAS = (0.0, 0.0005, 0.001, 0.002, 0.004)  # fractions of the slice


@dataclass(frozen=True)
class Calibration:
    """A rule for merging masks, what it was chosen for, and how it did there.

    Attributes:
        metric: the variant of the adjusted Rand index that was maximised.
        rule: the chosen rule.
        validation: mean scores of the chosen rule on the validation slices.
        curve: score threshold → mean scores, the rest of the rule as chosen.
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


def choose_rule(
    truth: Mapping[int, LabelMap],
    predictions: Mapping[int, SliceMasks],
    merge: MergeSettings,
    metric: Metric,
    score_threshold: float | None = None,
) -> Calibration:
    """Return the rule with the best mean score on validation slices.

    Score threshold and background are searched together, then the minimum area, then the score
    threshold once more. What the settings fix is kept. Equal scores go to the higher threshold and
    the smaller area.

    Args:
        truth: image id → label map.
        predictions: image id → masks; an absent slice has none.
        merge: background and minimum area, fixed or `auto`.
        metric: the variant to maximise.
        score_threshold: a fixed threshold, or None to choose it.
    """
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

    def mean(rule: MergeRule) -> RandScore:
        return mean_score(truth, predictions, rule)

    def best(rules: Iterable[MergeRule]) -> MergeRule:
        return max(rules, key=lambda rule: _of(metric, mean(rule)))

    downwards = sorted(thresholds, reverse=True)
    rule = best(
        MergeRule(at, min(areas), background) for background in backgrounds for at in downwards
    )
    rule = best(replace(rule, min_area=area) for area in areas)
    curve = {at: mean(replace(rule, score_threshold=at)) for at in thresholds}
    chosen = max(downwards, key=lambda at: _of(metric, curve[at]))
    return Calibration(metric, replace(rule, score_threshold=chosen), curve[chosen], curve)


def mean_score(
    truth: Mapping[int, LabelMap], predictions: Mapping[int, SliceMasks], rule: MergeRule
) -> RandScore:
    """Return the mean scores of label maps merged by a rule."""
    scores = []
    for image_id, labels in truth.items():
        masks = predictions.get(image_id) or SliceMasks.empty(image_id, *labels.shape)
        scores.append(score_slice(labels, merge_masks(masks, rule)))
    return RandScore(
        foreground=float(np.mean([score.foreground for score in scores])),
        all_pixels=float(np.mean([score.all_pixels for score in scores])),
    )


def _of(metric: Metric, score: RandScore) -> float:
    return score.foreground if metric == "foreground" else score.all_pixels
