"""Selection: what becomes a soft label, an ignore region, or nothing."""

import numpy as np
import pytest

from fewshot.masks.predicted import SliceMasks
from fewshot.radiologists.selection import Selection, most_masks, select


def masks(*scores: float) -> SliceMasks:
    stack = np.ones((len(scores), 2, 2), dtype=bool)
    boxes = np.zeros((len(scores), 4), dtype=np.float32)
    return SliceMasks.from_stack(0, stack, np.array(scores, dtype=np.float32), boxes, "m")


@pytest.mark.parametrize(
    ("selection", "labels", "ignored"),
    [
        (Selection(0.7), [0.9, 0.7], []),  # a bound belongs to what is above it
        (Selection(0.7, 0.2), [0.9, 0.7], [0.5, 0.2]),
        (
            Selection(0.7, 0.2, most=1),
            [0.9],
            [0.7, 0.5, 0.2],
        ),  # beyond the limit is an ignore region
        (Selection(0.7, None, most=1), [0.9], []),
        (Selection(0.7, 0.2, most=0), [], [0.9, 0.7, 0.5, 0.2]),
        (Selection(2.0, 0.8), [], [0.9]),  # nothing is certain
    ],
)
def test_scores_decide(selection: Selection, labels: list[float], ignored: list[float]) -> None:
    kept, unsure = select(masks(0.2, 0.9, 0.1, 0.7, 0.5), selection)
    np.testing.assert_allclose(kept.scores, labels, rtol=1e-6)
    np.testing.assert_allclose(unsure.scores, ignored, rtol=1e-6)


def test_a_slice_without_masks_stays_without() -> None:
    kept, unsure = select(masks(), Selection(0.5, 0.1, 3))
    assert (len(kept), len(unsure)) == (0, 0)


def test_the_most_masks_are_those_of_the_fullest_labelled_slice() -> None:
    assert most_masks([masks(1.0), masks(1.0, 1.0, 1.0), masks()]) == 3
    assert most_masks([]) == 0
