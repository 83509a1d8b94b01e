"""The audit of soft labels: counts that add up, and warnings where the final model would suffer."""

import json
from pathlib import Path

import numpy as np
import pytest

from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode
from fewshot.radiologists.audit import Audit, audit_soft_labels, print_audit
from fewshot.radiologists.reliability import NEVER, Reliability
from fewshot.radiologists.soft_label_set import SoftLabels

SIZE = 16


def masks_of(image_id: int, scores: list[float]) -> SliceMasks:
    rles = tuple(encode(np.eye(SIZE, k=shift, dtype=bool)) for shift in range(len(scores)))
    values = np.array(scores, dtype=np.float32)
    return SliceMasks(image_id, SIZE, SIZE, values, boxes(rles), rles, ("rough",) * len(rles))


def slices(scores: list[list[float]]) -> SliceSet:
    """Return slices with masks of these scores; those without any are left out of the masks."""
    records = tuple(
        SliceRecord(image_id, f"{image_id}.png", SIZE, SIZE) for image_id in range(len(scores))
    )
    masks = {i: masks_of(i, found) for i, found in enumerate(scores) if found}
    return SliceSet(Path("X"), records, masks)


def audit(soft: list[list[float]], labelled: list[int]) -> Audit:
    """Audit soft labels of which `rough` read the even slices and `fine` the odd ones."""
    ids = range(len(soft))
    assignment = {"rough": list(ids[::2]), "fine": list(ids[1::2])}
    unsure = slices([[] for _ in soft])
    known = Reliability(np.array([0.5, 1.0]), np.array([0.2, 0.9]))
    reliability = {"rough": known, "fine": Reliability(np.zeros(0), np.zeros(0))}
    labels = SoftLabels(
        slices(soft), unsure, assignment, reliability, {"rough": 0.7, "fine": NEVER}
    )
    return audit_soft_labels(labels, slices([[1.0] * count for count in labelled]))


def test_counts() -> None:
    found = audit([[0.7, 0.8], [], [0.9], [0.75, 0.95, 1.0]], labelled=[3, 2, 0])
    assert (found.slices, found.labelled, found.empty, found.masks) == (4, 3, 1, 6)
    # Of the slices that have any: 6 masks on 3, and 5 on 2.
    assert found.masks_per_slice == pytest.approx(2.0)
    assert found.masks_per_labelled_slice == pytest.approx(2.5)
    assert found.by_radiologist == {
        "rough": {"slices": 2, "labelled": 2, "masks": 3},
        "fine": {"slices": 2, "labelled": 1, "masks": 3},
    }
    assert found.score_histogram == [0, 0, 0, 0, 0, 0, 0, 2, 1, 3]
    assert found.reliability == {
        "rough": {"threshold": 0.7, "scores": [0.5, 1.0], "precision": [0.2, 0.9]},
        "fine": {"threshold": None, "scores": [], "precision": []},
    }
    assert not found.runaway
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["masks"] == 6


@pytest.mark.parametrize(
    ("score", "tenth"),
    [
        (0.0, 0),
        # A bin holds its lower edge, in float32 as scores are stored.
        *[(tenth / 10, tenth) for tenth in range(1, 10)],
        (0.0999, 0),
        (0.6999, 6),
        # The last holds both.
        (1.0, 9),
    ],
)
def test_histogram(score: float, tenth: int) -> None:
    histogram = audit([[score]], labelled=[1]).score_histogram
    assert histogram == [int(index == tenth) for index in range(10)]


@pytest.mark.parametrize(
    ("soft", "labelled", "expected"),
    [
        # As many as the labelled set has, or fewer, is fine.
        ([3, 3], [3, 3], False),
        ([1], [9], False),
        # The ratio itself is still fine.
        ([6, 6], [3, 3], False),
        ([6, 7], [3, 3], True),
        # Empty slices do not hide crowded ones.
        ([7, 0, 0, 0, 0], [3], True),
        # Nothing found, nothing runs away.
        ([0, 0], [3], False),
        ([], [3], False),
        # Masks without any labelled to compare with.
        ([1], [0], True),
    ],
)
def test_runaway(soft: list[int], labelled: list[int], expected: bool) -> None:
    assert audit([[0.9] * count for count in soft], labelled).runaway is expected


@pytest.mark.parametrize(
    ("soft", "present", "absent"),
    [
        # Nothing to worry about.
        (
            [[0.9], [0.8, 0.7]],
            ["2 of 2 slices labelled, 0 empty; 1.5 masks per slice, 1.0 in the", "rough: "],
            ["warning"],
        ),
        # Nothing found.
        ([[], []], ["warning: no soft labels: the final"], ["too many", "by score"]),
        # Too much found.
        ([[0.9] * 5], ["warning: too many soft labels: 5.0 masks"], ["no soft labels:"]),
        # No unlabelled slices are no fault of the radiologists.
        ([], ["0 of 0 slices"], ["warning"]),
    ],
)
def test_printed(
    soft: list[list[float]],
    present: list[str],
    absent: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_audit(audit(soft, labelled=[1]))
    out, err = capsys.readouterr()
    assert out == ""
    assert all(words in err for words in present)
    assert not any(words in err for words in absent)
