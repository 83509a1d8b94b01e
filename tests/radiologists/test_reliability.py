"""Reliability: scores become the share of right masks, as scikit-learn and counting have it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fewshot.masks.predicted import SliceMasks
from fewshot.radiologists.reliability import NEVER, Reliability, learn_reliability

SIZE = 16


def slice_of(image_id: int, columns: list[int], scores: list[float]) -> SliceMasks:
    """Masks of one column each."""
    stack = np.zeros((len(columns), SIZE, SIZE), dtype=bool)
    for mask, column in zip(stack, columns, strict=True):
        mask[:, column] = True
    boxes = np.zeros((len(columns), 4), dtype=np.float32)
    return SliceMasks.from_stack(image_id, stack, np.array(scores, dtype=np.float32), boxes, "m")


def truth_of(image_id: int, columns: list[int]) -> SliceMasks:
    return slice_of(image_id, columns, [1.0] * len(columns))


def test_right_masks_are_counted_once() -> None:
    """The second mask on a structure is wrong, however well it fits."""
    truth = [truth_of(0, [3])]
    curve = learn_reliability(truth, {0: slice_of(0, [3, 3], [0.5, 0.75])})
    np.testing.assert_allclose(curve.of(np.array([0.75, 0.5])), [1.0, 0.0])


def test_a_slice_without_structures_has_only_wrong_masks() -> None:
    curve = learn_reliability([truth_of(0, [])], {0: slice_of(0, [1, 2], [0.3, 0.9])})
    np.testing.assert_allclose(curve.of(np.array([0.1, 0.9])), 0)
    assert curve.threshold(0.1) == NEVER


def test_nothing_predicted_means_nothing_known() -> None:
    curve = learn_reliability([truth_of(0, [3])], {})
    assert curve.threshold(0.0) == NEVER
    np.testing.assert_array_equal(curve.of(np.array([0.9])), [0])


def test_the_share_of_right_masks_rises_with_the_score() -> None:
    """40 masks at each of three scores, of which a quarter, a half and all are right."""
    truth, predictions = [], {}
    scores, shares = [0.25, 0.5, 0.75], [0.25, 0.5, 1.0]
    for image_id in range(40):
        columns = [
            place if image_id < share * 40 else place + 8 for place, share in enumerate(shares)
        ]
        truth.append(truth_of(image_id, [0, 1, 2]))
        predictions[image_id] = slice_of(image_id, columns, scores)
    curve = learn_reliability(truth, predictions)
    np.testing.assert_allclose(curve.of(np.array(scores)), shares)
    assert curve.threshold(0.5) == pytest.approx(0.5)
    assert curve.threshold(0.75) == pytest.approx(0.625)
    assert curve.threshold(0.2) == pytest.approx(0.25)


Column = st.lists(st.floats(0, 1), min_size=1, max_size=12, unique=True)


@settings(max_examples=80, deadline=None)
@given(Column, Column, st.floats(0.01, 1))
def test_a_threshold_is_the_first_score_of_its_precision(
    scores: list[float], precision: list[float], wanted: float
) -> None:
    size = min(len(scores), len(precision))
    curve = Reliability(_ascending(scores, size), _ascending(precision, size))
    at = curve.threshold(wanted)
    if at == NEVER:
        assert curve.precision.max() < wanted
    else:
        assert curve.of(np.array([at]))[0] >= wanted - 1e-9
        below = at - 1e-3
        if below > curve.scores[0]:
            assert curve.of(np.array([below]))[0] <= wanted + 1e-9


def _ascending(values: list[float], size: int) -> NDArray[np.float64]:
    return np.sort(np.array(values[:size]))
