"""Voting: what several readers agree on, whatever their order."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.vote import Vote, vote

SIZE = 40


def square(top: int, left: int, side: int = 10) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def seen(*masks: tuple[NDArray[np.bool_], float], image_id: int = 3) -> SliceMasks:
    stack = np.array([mask for mask, _ in masks]).reshape(-1, SIZE, SIZE)
    scores = np.array([score for _, score in masks], dtype=np.float32)
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    return SliceMasks.from_stack(image_id, stack, scores, boxes, "someone")


def test_agreement_scores_high_and_a_lone_mask_low() -> None:
    both, lone = square(5, 5), square(25, 25)
    voted = vote([Vote(seen((both, 0.9), (lone, 0.9))), Vote(seen((both, 0.7)))], "vote")
    np.testing.assert_allclose(voted.scores, [0.8, 0.45], rtol=1e-6)
    np.testing.assert_array_equal(voted.decode(), [both, lone])
    assert voted.sources == ("vote", "vote")
    np.testing.assert_array_equal(voted.boxes, [[5, 5, 15, 15], [25, 25, 35, 35]])


def test_a_heavier_reader_counts_for_more() -> None:
    here, there = square(5, 5), square(25, 25)
    ballots = [Vote(seen((here, 0.8)), weight=3), Vote(seen((there, 0.8)), weight=1)]
    voted = vote(ballots, "vote")
    np.testing.assert_allclose(voted.scores, [0.6, 0.2], rtol=1e-6)
    np.testing.assert_array_equal(voted.decode()[0], here)


def test_the_shape_is_what_most_support_holds_to_be_inside() -> None:
    """Pixels of one reader alone are outside; those of two of three are inside."""
    ballots = [Vote(seen((square(5, left), 0.6))) for left in (5, 6, 7)]
    voted = vote(ballots, "vote")
    assert len(voted) == 1
    np.testing.assert_array_equal(voted.decode()[0], square(5, 6))


def test_one_reader_never_votes_twice_for_a_structure() -> None:
    twice = seen((square(5, 5), 0.9), (square(5, 6), 0.8))
    voted = vote([Vote(twice), Vote(seen())], "vote")
    np.testing.assert_allclose(voted.scores, [0.45, 0.4], rtol=1e-6)


def test_one_ballot_keeps_its_masks_and_scores() -> None:
    masks = seen((square(5, 5), 0.3), (square(25, 25), 0.9))
    voted = vote([Vote(masks, weight=0.2)], "vote")
    np.testing.assert_array_equal(voted.scores, masks.scores[[1, 0]])
    np.testing.assert_array_equal(voted.decode(), masks.decode()[[1, 0]])


def test_nobody_sees_anything() -> None:
    voted = vote([Vote(seen()), Vote(seen())], "vote")
    assert (len(voted), voted.image_id) == (0, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 28), st.integers(0, 28), st.sampled_from([0.25, 0.5, 0.75])),
            max_size=4,
        ),
        min_size=2,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_readers_and_masks_does_not_matter(
    rows: list[list[tuple[int, int, float]]], order: random.Random
) -> None:
    ballots = [
        Vote(seen(*((square(top, left, 12), score) for top, left, score in row)), weight=1 + n)
        for n, row in enumerate(rows)
    ]
    mixed = [
        Vote(one.masks.select(_shuffled(len(one.masks), order)), one.weight) for one in ballots
    ]
    order.shuffle(mixed)
    first, second = vote(ballots, "vote"), vote(mixed, "vote")
    assert _content(first) == _content(second)


def _shuffled(count: int, order: random.Random) -> list[int]:
    places = list(range(count))
    order.shuffle(places)
    return places


def _content(masks: SliceMasks) -> list[tuple[float, str]]:
    rows = zip(masks.scores.tolist(), masks.rles, strict=True)
    return sorted((round(score, 5), rle["counts"]) for score, rle in rows)


def test_votes_on_different_slices_are_refused() -> None:
    with pytest.raises(InputError, match="images 3 and 4"):
        vote([Vote(seen()), Vote(seen(image_id=4))], "vote")


@pytest.mark.parametrize("ballots", [[], [Vote(seen(), weight=0)]])
def test_a_vote_needs_voters(ballots: list[Vote]) -> None:
    with pytest.raises(ValueError, match="weight above 0"):
        vote(ballots, "vote")
