"""Choice on validation slices whether to refine, and by which rule."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import score_slice
from fewshot.sam.prompts import PromptKind
from fewshot.sam.refine import Proposal, RefineRule, apply_rule

Scores = NDArray[np.float64]
Judge = Callable[[Mapping[int, SliceMasks]], Scores]

_QUANTILES = (0.0, 0.25, 0.5, 0.75)
_GROWTHS = (1.25, 2.0, 1000.0)


@dataclass(frozen=True)
class RefineChoice:
    """The choice, and its scores on the validation slices.

    Attributes:
        rule: the chosen rule; None for no refinement.
        before, after: mean score of the validation slices without and with the chosen rule.
        best: the rule with the highest mean, chosen or not.
        gain, error: of that rule over no refinement, and the standard error of this difference.
        always: mean score if every new mask is accepted, by kind of prompt.
        replaced: fraction of the validation masks that the best rule replaces.
    """

    rule: RefineRule | None
    before: float
    after: float
    best: RefineRule
    gain: float
    error: float
    always: dict[str, float]
    replaced: float

    def as_json(self) -> dict[str, Any]:
        """Return the choice as plain values."""
        return asdict(self)


def choose_refinement(
    predictions: SliceSet, proposals: Mapping[PromptKind, Mapping[int, Proposal]], judge: Judge
) -> RefineChoice:
    """Return the rule that scores best on validation slices, or none.

    Candidate thresholds are quantiles over the validation masks, so that they suit any network. The
    best rule is only used if its mean gain per slice over no refinement exceeds one standard error:
    a smaller gain may be chance.

    Args:
        predictions: a model's masks of the validation slices.
        proposals: kind of prompt → result of `propose`.
        judge: returns the score of each validation slice, in a fixed order, for masks by image id.
    """
    if not any(len(one) for one in proposals.values()):
        raise InputError("refinement: there are no masks on the validation slices to choose with")
    off = judge(predictions.masks)
    best: tuple[float, RefineRule, Scores] | None = None
    always: dict[str, float] = {}
    for kind, by_image in proposals.items():
        everything = RefineRule(kind, 0.0, 0.0, _GROWTHS[-1])
        for rule in (everything, *_rules(kind, by_image)):
            scores = judge(apply_rule(predictions, by_image, rule))
            mean = float(scores.mean())
            if rule is everything:
                always[kind] = mean
            if best is None or mean > best[0]:
                best = mean, rule, scores
    assert best is not None
    mean, rule, scores = best
    gain = scores - off
    error = float(gain.std(ddof=min(1, len(gain) - 1)) / np.sqrt(len(gain)))
    pays = float(gain.mean()) > error + 1e-12
    return RefineChoice(
        rule=rule if pays else None,
        before=float(off.mean()),
        after=mean if pays else float(off.mean()),
        best=rule,
        gain=float(gain.mean()),
        error=error,
        always=always,
        replaced=_replaced(proposals[rule.prompt], rule),
    )


def rand_judge(truth: Mapping[int, NDArray[np.uint8]], rule: MergeRule, metric: Metric) -> Judge:
    """Return a judge by the adjusted Rand index of masks merged by a fixed rule."""

    def judge(masks: Mapping[int, SliceMasks]) -> Scores:
        scores = []
        for image_id, labels in truth.items():
            found = masks.get(image_id) or SliceMasks.empty(image_id, *labels.shape)
            score = score_slice(labels, merge_masks(found, rule))
            scores.append(score.foreground if metric == "foreground" else score.all_pixels)
        return np.array(scores)

    return judge


def overlap_judge(truth: SliceSet) -> Judge:
    """Return a judge by the mean IoU of a slice's masks with the best true mask of each.

    It suits masks for training. Slices without masks are left out.
    """

    def judge(masks: Mapping[int, SliceMasks]) -> Scores:
        scores = []
        for record in truth.records:
            found = masks.get(record.image_id)
            if found is not None and len(found):
                table = rle_codec.iou(found.rles, truth.masks_of(record.image_id).rles)
                scores.append(float(table.max(axis=1).mean()) if table.shape[1] else 0.0)
        return np.array(scores)

    return judge


def _rules(kind: PromptKind, proposals: Mapping[int, Proposal]) -> list[RefineRule]:
    quality = np.concatenate([one.quality for one in proposals.values()] or [np.zeros(1)])
    agreement = np.concatenate([one.agreement for one in proposals.values()] or [np.zeros(1)])
    qualities = np.unique(np.round(np.quantile(quality, _QUANTILES), 3))
    agreements = np.unique(np.round(np.quantile(agreement, _QUANTILES), 3))
    return [
        RefineRule(kind, float(least), float(agree), growth)
        for least, agree, growth in itertools.product(qualities, agreements, _GROWTHS)
    ]


def _replaced(proposals: Mapping[int, Proposal], rule: RefineRule) -> float:
    taken = [one.accepted(rule) for one in proposals.values()]
    return float(np.concatenate(taken).mean()) if taken else 0.0
