from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.sam.embeddings import Embedder
from fewshot.sam.model import SamModel
from fewshot.sam.prompts import PROMPT_KINDS
from fewshot.sam.refine import Proposal, RefineRule, apply_rule, propose
from fewshot.sam.refine_choice import choose_refinement, overlap_judge, rand_judge

ANYTHING = RefineRule("box", 0.0, 0.0, 1000.0)


def _masks(stack: NDArray[np.bool_], image_id: int = 0) -> SliceMasks:
    scores = np.linspace(0.9, 0.5, len(stack)).astype(np.float32)
    boxes = np.tile(np.array([[0, 0, 20, 20]], np.float32), (len(stack), 1))
    return SliceMasks.from_stack(image_id, stack, scores, boxes, "final")


def _squares(*corners: tuple[int, int, int]) -> NDArray[np.bool_]:
    stack = np.zeros((len(corners), 20, 20), dtype=bool)
    for mask, (y, x, side) in zip(stack, corners, strict=True):
        mask[y : y + side, x : x + side] = True
    return stack


def _proposal(before: SliceMasks, after: SliceMasks, quality: list[float]) -> Proposal:
    from fewshot.sam.scores import overlap

    agreement = overlap(before.decode(), after.decode())[0]
    growth = after.areas() / np.maximum(before.areas(), 1)
    return Proposal(before, after, np.array(quality), agreement, growth)


@pytest.fixture
def proposal() -> Proposal:
    before = _masks(_squares((0, 0, 8), (10, 10, 8), (0, 12, 6)))
    after = _masks(_squares((0, 0, 6), (1, 1, 8), (0, 0, 0)))  # shrunk, elsewhere, nothing
    return _proposal(before, after, [0.8, 0.9, 0.95])


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        (ANYTHING, [True, False, False]),  # what does not overlap, and nothing, never
        (replace(ANYTHING, min_quality=0.85), [False, False, False]),
        (replace(ANYTHING, min_agreement=0.56), [True, False, False]),  # 36 of 64
        (replace(ANYTHING, min_agreement=0.57), [False, False, False]),
        (replace(ANYTHING, max_growth=1.5), [False, False, False]),  # 64 / 36 = 1.8
        (replace(ANYTHING, max_growth=2.0), [True, False, False]),
    ],
)
def test_a_rule_accepts_by_quality_agreement_and_growth(
    rule: RefineRule, accepted: list[bool], proposal: Proposal
) -> None:
    assert proposal.accepted(rule).tolist() == accepted
    refined = proposal.refined(rule)
    expected = np.where(
        np.array(accepted)[:, None, None], proposal.after.decode(), proposal.before.decode()
    )
    assert np.array_equal(refined.decode(), expected)
    assert np.array_equal(refined.scores, proposal.before.scores)
    assert refined.sources == proposal.before.sources


def test_no_rule_changes_nothing(proposal: Proposal) -> None:
    assert proposal.refined(None) is proposal.before


@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_every_mask_asks_and_is_answered(kind: str, tiny: SamModel, miniature: SliceSet) -> None:
    two = miniature.subset([0, 5])  # the second has no masks
    proposals = propose(Embedder(tiny), two, kind)  # type: ignore[arg-type]
    assert list(proposals) == [0]
    made = proposals[0]
    count = len(two.masks_of(0))
    assert len(made.after) == len(made.quality) == len(made.agreement) == count
    refined = apply_rule(two, proposals, ANYTHING)
    assert list(refined) == [0, 5]
    assert len(refined[0]) == count
    assert len(refined[5]) == 0
    assert np.array_equal(apply_rule(two, proposals, None)[0].decode(), two.masks_of(0).decode())


def _validation(slices: SliceSet, better: bool) -> tuple[SliceSet, Mapping[int, Proposal]]:
    """Predictions that are eroded truth, and answers that are the truth, or are worse still."""
    predictions, proposals = [], {}
    for record in slices.records[:5]:
        truth = slices.masks_of(record.image_id)
        eroded = truth.decode().copy()
        eroded[:, ::3] = False
        worse = eroded.copy()
        worse[:, :, ::2] = False
        boxes = truth.boxes
        before = SliceMasks.from_stack(record.image_id, eroded, truth.scores, boxes, "final")
        stack = truth.decode() if better else worse
        after = SliceMasks.from_stack(record.image_id, stack, truth.scores, boxes, "final")
        predictions.append(before)
        proposals[record.image_id] = _proposal(before, after, [0.9] * len(truth))
    return slices.subset(range(5)).with_masks(predictions), proposals


def _label_maps(slices: SliceSet) -> dict[int, NDArray[np.uint8]]:
    from fewshot.masks.merge import merge_masks

    rule = MergeRule(score_threshold=0.0)
    return {
        record.image_id: merge_masks(slices.masks_of(record.image_id), rule)
        for record in slices.records
    }


@pytest.mark.parametrize("objective", ["all", "foreground", "overlap"])
@pytest.mark.parametrize("better", [True, False])
def test_refinement_is_chosen_exactly_where_it_pays(
    objective: str, better: bool, miniature: SliceSet
) -> None:
    truth = miniature.subset(range(5))
    predictions, proposals = _validation(miniature, better)
    if objective == "overlap":
        judge = overlap_judge(truth)
    else:
        judge = rand_judge(_label_maps(truth), MergeRule(0.0), objective)  # type: ignore[arg-type]
    choice = choose_refinement(predictions, {"box": proposals}, judge)
    assert (choice.rule is not None) is better
    assert choice.before == pytest.approx(judge(predictions.masks).mean())
    if better:
        assert choice.after > choice.before + 0.05
        assert choice.gain > choice.error
        refined = apply_rule(predictions, proposals, choice.rule)
        assert judge(refined).mean() == pytest.approx(choice.after)
    else:
        assert choice.after == choice.before
        assert choice.always["box"] < choice.before


def test_a_gain_on_one_slice_alone_is_an_accident(miniature: SliceSet) -> None:
    truth = miniature.subset(range(5))
    predictions, proposals = _validation(miniature, better=True)
    lucky = {
        key: one if key == 2 else replace(one, after=one.before) for key, one in proposals.items()
    }
    choice = choose_refinement(predictions, {"box": lucky}, overlap_judge(truth))
    assert choice.gain > 0
    assert choice.rule is None


def test_without_masks_there_is_nothing_to_choose_by(miniature: SliceSet) -> None:
    with pytest.raises(InputError, match="no masks on the validation slices"):
        choose_refinement(miniature.with_masks([]), {"box": {}}, overlap_judge(miniature))
