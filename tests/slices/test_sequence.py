"""Numbered slices as one volume."""

import pytest

from fewshot.errors import InputError
from fewshot.slices.sequence import (
    gap_note,
    missing_numbers,
    parse_spacing,
    sequence_volume,
    slice_numbers,
)
from fewshot.slices.volume import picture_affine


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["t1_007_gt.png", "t1_008_gt.png", "t1_010_gt.png"], [7, 8, 10]),
        (["7.png", "8.png"], [7, 8]),
        # The last number is the same everywhere, the one before it tells the slices apart.
        (["s1_v2.png", "s3_v2.png"], [1, 3]),
        (["a.png", "b.png"], [0, 1]),
    ],
)
def test_names_tell_numbers(names: list[str], numbers: list[int]) -> None:
    assert slice_numbers(names) == numbers


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [([1, 3, 5, 9], [7]), ([4, 5, 6], []), ([3], []), ([0, 1, 2, 5], [3, 4])],
)
def test_gaps_are_numbers_that_the_step_would_reach(numbers: list[int], missing: list[int]) -> None:
    assert missing_numbers(numbers) == missing
    assert (gap_note(numbers, "x") is None) == (not missing)


def test_spacing_is_three_lengths() -> None:
    assert parse_spacing("0.04718 0.04718 0.076") == (0.04718, 0.04718, 0.076)
    assert parse_spacing("1,2,3") == parse_spacing("1 x 2 x 3") == (1, 2, 3)
    for wrong in ("1 2", "1 2 0", "1 2 -3", "a b c", "1 2 nan", "1 2 inf"):
        with pytest.raises(InputError, match="--spacing"):
            parse_spacing(wrong)


def test_a_sequence_lies_as_its_pictures_do() -> None:
    affine = picture_affine(sequence_volume((20, 30), 5, (0.1, 0.2, 0.3), "s"))
    assert (affine @ [1, 0, 0, 1]).tolist() == pytest.approx([0, 0, 0.3, 1])
    assert (affine @ [0, 1, 0, 1]).tolist() == pytest.approx([0, -0.2, 0, 1])
    assert (affine @ [0, 0, 1, 1]).tolist() == pytest.approx([-0.1, 0, 0, 1])
