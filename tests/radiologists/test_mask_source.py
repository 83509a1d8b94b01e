"""Structures by one reader, pixels by another."""

import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack
from fewshot.radiologists.mask_source import divide_foreground, refine_masks

Mask = NDArray[np.bool_]

SIDE = 50  # so that the reach is 2 pixels and the least region has 2


def masks_of(*stack: Mask, scores: tuple[float, ...] = ()) -> SliceMasks:
    rles = tuple(encode_stack(np.array(stack, dtype=bool).reshape(len(stack), SIDE, SIDE)))
    values = np.array(scores or (1.0,) * len(stack), dtype=np.float32)
    return SliceMasks(3, SIDE, SIDE, values, boxes(rles), rles, ("vote",) * len(stack))


def block(rows: slice, columns: slice) -> Mask:
    made = np.zeros((SIDE, SIDE), dtype=bool)
    made[rows, columns] = True
    return made


def test_foreground_goes_to_the_structure_it_lies_in_or_next_to() -> None:
    left, right = block(slice(10, 20), slice(10, 20)), block(slice(10, 20), slice(20, 30))
    foreground = block(slice(8, 22), slice(12, 35))
    structures = masks_of(left, right, scores=(0.6, 0.9))
    certain, uncertain = divide_foreground(structures, masks_of(), masks_of(foreground))
    assert certain.scores.tolist() == structures.scores.tolist()
    assert certain.sources == ("vote", "vote")
    # Two pixels around belong to them, and what lies further out is open.
    assert certain.decode()[0, 8:22, 12:20].all()
    assert certain.decode()[1, 10:20, 20:32].all()
    assert not certain.decode()[:, :, :12].any()
    assert not certain.decode()[:, :, 32:].any()
    (beyond,) = uncertain.decode()
    assert beyond[8:22, 32:35].all()
    # The left one's edge is another matter: the network says that it is background, and is right.
    assert not beyond[10:20, :32].any()


def test_an_overlap_belongs_to_the_better_structure() -> None:
    one, other = block(slice(0, 10), slice(0, 10)), block(slice(0, 10), slice(5, 15))
    whole = block(slice(0, 10), slice(0, 15))
    certain, _ = divide_foreground(
        masks_of(one, other, scores=(0.5, 0.8)), masks_of(), masks_of(whole)
    )
    assert certain.areas().tolist() == [50, 100]


def test_what_only_one_of_them_sees_is_open() -> None:
    seen, elsewhere = block(slice(0, 8), slice(0, 8)), block(slice(30, 40), slice(30, 40))
    certain, uncertain = divide_foreground(masks_of(seen), masks_of(), masks_of(elsewhere))
    assert len(certain) == 0
    assert sorted(uncertain.areas().tolist()) == [64, 100]
    nothing = masks_of()
    certain, uncertain = divide_foreground(nothing, nothing, nothing)
    assert (len(certain), len(uncertain)) == (0, 0)
    certain, uncertain = divide_foreground(nothing, nothing, masks_of(elsewhere))
    assert (len(certain), uncertain.areas().tolist()) == (0, [100])
    assert len(masks_of(seen).joined(uncertain)) == 2


def test_a_known_structure_drawn_again_is_no_doubt() -> None:
    known = block(slice(10, 20), slice(10, 20))
    larger, beside = block(slice(9, 21), slice(9, 21)), block(slice(10, 20), slice(16, 40))
    certain, uncertain = divide_foreground(
        masks_of(known), masks_of(larger, beside), masks_of(known)
    )
    assert certain.areas().tolist() == [100]
    assert uncertain.areas().tolist() == [240]


@given(arrays(np.bool_, (3, SIDE, SIDE)), arrays(np.bool_, (2, SIDE, SIDE)))
def test_labels_are_exclusive_foreground_and_never_open(structures: Mask, foreground: Mask) -> None:
    certain, uncertain = divide_foreground(masks_of(*structures), masks_of(), masks_of(*foreground))
    labels = certain.decode()
    assert labels.sum(axis=0).max(initial=0) <= 1
    assert not (labels.any(axis=0) & ~foreground.any(axis=0)).any()
    assert not (labels.any(axis=0) & uncertain.decode().any(axis=0)).any()


# Answers


def test_an_answer_gets_the_pixels_of_a_foreground() -> None:
    left, right = block(slice(10, 20), slice(10, 20)), block(slice(10, 20), slice(15, 30))
    foreground = block(slice(11, 21), slice(9, 29))
    drawn = refine_masks(masks_of(left, right, scores=(0.9, 0.4)), masks_of(foreground))
    assert drawn.scores.tolist() == np.array([0.9, 0.4], dtype=np.float32).tolist()
    assert drawn.sources == ("vote", "vote")
    one, other = drawn.decode()
    # What both claim is the better one's, and both reach beyond their own masks.
    assert (one == block(slice(11, 21), slice(9, 20))).all()
    assert (other == block(slice(11, 21), slice(20, 29))).all()
    assert drawn.boxes.tolist() == boxes(tuple(encode_stack(np.stack([one, other])))).tolist()


def test_a_structure_that_the_foreground_misses_stays_as_it_was() -> None:
    seen, missed = block(slice(0, 8), slice(0, 8)), block(slice(30, 40), slice(30, 40))
    hidden = block(slice(2, 5), slice(2, 5))  # all of it is the better mask's
    barely = block(slice(30, 40), slice(30, 34))
    masks = masks_of(seen, missed, hidden, scores=(0.9, 0.8, 0.3))
    drawn = refine_masks(masks, masks_of(block(slice(0, 8), slice(0, 9)), barely))
    assert drawn.areas().tolist() == [72, 100, 9]
    assert len(refine_masks(masks_of(), masks_of(seen))) == 0
    assert refine_masks(masks, masks_of()).areas().tolist() == masks.areas().tolist()


@given(arrays(np.bool_, (3, SIDE, SIDE)), arrays(np.bool_, (2, SIDE, SIDE)))
def test_every_mask_is_foreground_or_as_it_was(structures: Mask, foreground: Mask) -> None:
    before = masks_of(*structures, scores=(0.9, 0.8, 0.7))
    after = refine_masks(before, masks_of(*foreground)).decode()
    for was, now in zip(structures, after, strict=True):
        assert (was == now).all() or not (now & ~foreground.any(axis=0)).any()
