import json
from pathlib import Path

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.radiologists.review import (
    Decision,
    Verdict,
    apply_review,
    mask_key,
    read_review,
    reviewed_soft_labels,
    write_review,
)


def soft_labels() -> SliceSet:
    """Two slices with three soft labels each, scores 0.7, 0.8 and 0.9, and one without any."""
    records = tuple(SliceRecord(number, f"{number}.png", 30, 40) for number in range(3))
    masks = []
    for number in range(2):
        stack = np.zeros((3, 30, 40), bool)
        for row in range(3):
            stack[row, 3 + number : 9, 10 * row : 10 * row + 8] = True
        boxes = np.zeros((3, 4), np.float32)
        scores = np.array([0.7, 0.8, 0.9], np.float32)
        masks.append(SliceMasks.from_stack(number, stack, scores, boxes, "fine"))
    return SliceSet(Path("X"), records, {}).with_masks(masks)


def said(soft: SliceSet, verdicts: dict[tuple[int, int], Verdict]) -> dict[str, Decision]:
    return {
        mask_key(soft.records[number], soft.masks_of(number).rles[row]): Decision(verdict, "", "")
        for (number, row), verdict in verdicts.items()
    }


def test_accepted_stay_as_sure_rejected_are_ignored_deleted_go() -> None:
    soft = soft_labels()
    decisions = said(soft, {(0, 0): "accept", (0, 1): "reject", (0, 2): "delete"})
    reviewed = apply_review(soft, decisions)
    assert reviewed.soft.masks_of(0).scores.tolist() == [1.0]
    assert reviewed.soft.masks_of(0).rles == soft.masks_of(0).rles[:1]
    assert reviewed.ignored.masks_of(0).rles == soft.masks_of(0).rles[1:2]
    assert reviewed.soft.masks_of(1) is not None
    np.testing.assert_array_equal(reviewed.soft.masks_of(1).scores, soft.masks_of(1).scores)
    assert len(reviewed.ignored.masks_of(1)) == 0
    assert dict(reviewed.counts) == {"accept": 1, "reject": 1, "delete": 1}
    assert reviewed.unknown == 0


def test_rejected_masks_join_those_that_are_ignored_anyway() -> None:
    soft = soft_labels()
    reviewed = apply_review(soft, said(soft, {(0, 1): "reject"}))
    uncertain = soft.with_masks([soft.masks_of(0).select([2]), soft.masks_of(1)])
    joined = reviewed.with_ignored(uncertain)
    assert joined is not None
    assert joined.masks_of(0).rles == tuple(soft.masks_of(0).rles[row] for row in (2, 1))
    assert len(joined.masks_of(1)) == 3
    assert len(uncertain.masks_of(0)) == 1
    assert reviewed.with_ignored(None) is reviewed.ignored
    assert apply_review(soft, {}).with_ignored(uncertain) is uncertain


def test_decisions_hold_for_the_same_masks_of_soft_labels_made_anew() -> None:
    soft = soft_labels()
    decisions = said(soft, {(0, 0): "delete", (1, 2): "delete"})
    anew = soft.with_masks([soft.masks_of(0).select([2, 0]), soft.masks_of(1).select([0, 1])])
    reviewed = apply_review(anew, decisions)
    assert reviewed.soft.masks_of(0).scores.tolist() == pytest.approx([0.9])
    assert len(reviewed.soft.masks_of(1)) == 2
    assert reviewed.unknown == 1


def test_a_review_is_read_back_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "review.json"
    decisions = {
        "b": Decision("reject", "1.png", "fine"),
        "a": Decision("accept", "0.png", "rough"),
    }
    write_review(path, decisions)
    assert list(read_review(path).items()) == list(decisions.items())


def test_a_review_survives_the_way_through_a_file(tmp_path: Path) -> None:
    soft = soft_labels()
    decisions = said(soft, {(1, 1): "delete"})
    write_coco(tmp_path / "annotations.json", soft, "soft labels")
    again = read_coco(tmp_path / "annotations.json")
    assert len(apply_review(again, decisions).soft.masks_of(1)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a review of soft labels"),
        ('{"form": "other", "masks": {}}', "is not a review of soft labels"),
        ('{"form": "fewshot review 1"}', "contains no decisions under 'masks'"),
        ('{"form": "fewshot review 1", "masks": {"k": 3}}', "mask k: the decision is None"),
        (
            '{"form": "fewshot review 1", "masks": {"k": {"decision": "maybe"}}}',
            "mask k: the decision is 'maybe'; it must be accept, reject or delete",
        ),
        ("{", "broken JSON at line 1"),
    ],
)
def test_what_is_no_review_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "review.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_review(path)


def test_a_review_of_other_soft_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "review.json"
    write_review(path, {"0" * 20: Decision("accept", "9.png", "fine")})
    with pytest.raises(InputError, match=r"none of its 1 decisions .* made for others"):
        reviewed_soft_labels(soft_labels(), path)


def test_an_empty_review_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "review.json"
    path.write_text(json.dumps({"form": "fewshot review 1", "masks": {}}))
    soft = soft_labels()
    reviewed = reviewed_soft_labels(soft, path)
    assert reviewed.soft.masks_of(0).rles == soft.masks_of(0).rles
    assert not reviewed.ignored.masks
