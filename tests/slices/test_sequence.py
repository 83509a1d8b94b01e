"""Numbered slices as one volume."""

import pytest

from fewshot.errors import InputError
from fewshot.slices.sequence import parse_spacing, sequence_volume
from fewshot.slices.volume import picture_affine


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
