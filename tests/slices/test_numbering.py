"""Where slices lie by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.numbering import gap_note, missing_numbers, number_slices


@pytest.mark.parametrize(
    ("names", "slice_mm", "indices", "step", "reading"),
    [
        (["t1_007_gt.png", "t1_008_gt.png", "t1_010_gt.png"], 5, [0, 1, 3], 5, ""),
        (["7.png", "8.png"], 0.5, [0, 1], 0.5, ""),
        # The last number is the same everywhere, the one before it tells the slices apart.
        (["s1_v2.png", "s2_v2.png"], 1, [0, 1], 1, ""),
        (["v1.5_001.png", "v1.5_003.png", "v1.5_004.png"], 1, [0, 2, 3], 1, ""),
        (["001_v1.5.png", "002_v1.5.png"], 1, [0, 1], 1, ""),
        # COCO files list slices in any order.
        (["10.png", "9.png", "11.png"], 2, [1, 0, 2], 2, ""),
        (["a.png", "b.png"], 3, [0, 1], 3, "in the order of their names"),
        # A step that all share is the way from slice to slice, also where one is missing.
        (["0000.png", "0005.png", "0010.png"], 5, [0, 1, 2], 25, "in steps of 5: 25 mm apart"),
        (["3.png", "8.png", "18.png"], 2, [0, 1, 3], 10, "in steps of 5: 10 mm apart"),
        (["1.png", "3.png", "4.png"], 2, [0, 2, 3], 2, ""),
        # Decimals are places in mm if the spacing agrees.
        (["z_0.0.png", "z_2.5.png", "z_5.0.png"], 2.5, [0, 1, 2], 2.5, "places in mm: 2.5 mm"),
        (["z_-0.5.png", "z_10.25.png", "z_2.5.png"], 0.25, [0, 43, 12], 0.25, "places in mm"),
        (["z_-5.png", "z_0.png", "z_5.png"], 1, [0, 1, 2], 5, "in steps of 5"),
        (["-2.5.png", "0.0.png", "2.5.png"], 2.5, [0, 1, 2], 2.5, "places in mm"),
        (["z-3.png", "z-4.png", "z-6.png"], 1, [0, 1, 3], 1, ""),
        (["0.25.png", "0.5.png", "0.75.png"], 0.25, [0, 1, 2], 0.25, "places in mm"),
        (["0.0.png", "5.0.png", "15.0.png"], 2.5, [0, 1, 3], 5, "places in mm: 5 mm apart"),
        # No decimals, but a dot before a number.
        (["t1.007.png", "t1.008.png"], 5, [0, 1], 5, ""),
    ],
)
def test_names_tell_places(
    names: list[str], slice_mm: float, indices: list[int], step: float, reading: str
) -> None:
    found = number_slices(names, slice_mm)
    assert list(found.indices) == indices
    assert found.step == pytest.approx(step)
    assert reading in found.reading
    assert bool(reading) == bool(found.reading)


def test_decimals_that_the_spacing_denies_are_refused() -> None:
    with pytest.raises(InputError, match=r"lie 2.5 apart, and --spacing says 4 mm"):
        number_slices(["z_0.0.png", "z_2.5.png", "z_5.0.png"], 4)


def test_missing_slices_are_named_as_the_files_are() -> None:
    found = number_slices([f"{one:03d}.png" for one in (5, 10, 20, 25)], 1)
    assert found.gap_note("x") == "x: 1 slice is missing between the first and the last: 15"
    decimals = number_slices(["0.0.png", "2.5.png", "7.5.png"], 2.5)
    assert decimals.gap_note("x") == "x: 1 slice is missing between the first and the last: 5"


@given(
    numbers=st.lists(st.integers(0, 400), min_size=2, max_size=20, unique=True),
    every=st.integers(1, 12),
    slice_mm=st.floats(0.05, 20),
)
def test_what_slices_stand_for_does_not_depend_on_how_they_are_numbered(
    numbers: list[int], every: int, slice_mm: float
) -> None:
    once = number_slices([f"{one}.png" for one in numbers], slice_mm)
    stepped = number_slices([f"{one * every}.png" for one in numbers], slice_mm / every)
    assert stepped.indices == once.indices
    assert stepped.step == pytest.approx(once.step)


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [([1, 3, 5, 9], [7]), ([4, 5, 6], []), ([3], []), ([0, 1, 2, 5], [3, 4])],
)
def test_gaps_are_numbers_that_the_step_would_reach(numbers: list[int], missing: list[int]) -> None:
    assert missing_numbers(numbers) == missing
    assert (gap_note(numbers, "x") is None) == (not missing)
