"""Splits that keep patients together and come as near to the fraction as they can."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.groups import read_groups
from fewshot.slices.split import split_slices

NAMES = [f"{number}.png" for number in range(8)]
PATIENTS = {name: f"pt_{number // 2}" for number, name in enumerate(NAMES)}

cases = st.tuples(
    st.lists(st.integers(1, 6), min_size=2, max_size=8),
    st.floats(0.01, 0.99),
    st.integers(0, 2**32),
)


def in_groups(sizes: list[int]) -> dict[str, str]:
    return {f"{g}_{i}.png": f"pt_{g}" for g, size in enumerate(sizes) for i in range(size)}


@given(cases)
def test_groups_stay_whole_and_the_fraction_is_met_as_nearly_as_possible(
    case: tuple[list[int], float, int],
) -> None:
    sizes, fraction, seed = case
    groups = in_groups(sizes)
    train, validation = split_slices(list(groups), groups, fraction, seed)
    assert train
    assert validation
    assert sorted(train + validation) == sorted(groups)
    assert not {groups[name] for name in train} & {groups[name] for name in validation}
    # The oracle tries every choice of groups.
    target = fraction * len(groups)
    possible = [
        sum(choice) for count in range(1, len(sizes)) for choice in combinations(sizes, count)
    ]
    assert abs(len(validation) - target) == min(abs(size - target) for size in possible)


@given(cases)
def test_the_order_of_names_does_not_matter(case: tuple[list[int], float, int]) -> None:
    sizes, fraction, seed = case
    groups = in_groups(sizes)
    train, validation = split_slices(list(groups), groups, fraction, seed)
    backwards = split_slices(list(groups)[::-1], groups, fraction, seed)
    assert backwards == (train[::-1], validation[::-1])


@pytest.mark.parametrize(
    ("fraction", "groups", "expected"),
    [
        (0.25, None, 2),
        (0.25, PATIENTS, 2),
        # Nearest, not above: 2.4 slices are two without groups and one patient of two with.
        (0.3, None, 2),
        (0.3, PATIENTS, 2),
        # Half way between two sizes the smaller is taken: training data are dear.
        (0.375, PATIENTS, 2),
        # At least one on each side.
        (0.001, None, 1),
        (0.999, None, 7),
        (0.999, PATIENTS, 6),
    ],
)
def test_sizes(fraction: float, groups: dict[str, str] | None, expected: int) -> None:
    for seed in range(5):
        train, validation = split_slices(NAMES, groups, fraction, seed)
        assert (len(train), len(validation)) == (8 - expected, expected)


def test_seeds_give_different_splits_and_every_slice_its_turn() -> None:
    splits = [split_slices(NAMES, PATIENTS, 0.25, seed)[1] for seed in range(60)]
    assert splits[0] == split_slices(NAMES, PATIENTS, 0.25, 0)[1]
    assert {name for validation in splits for name in validation} == set(NAMES)


def test_groups_may_name_images_without_their_suffix() -> None:
    bare = {name.removesuffix(".png"): group for name, group in PATIENTS.items()}
    assert split_slices(NAMES, bare, 0.25, 0) == split_slices(NAMES, PATIENTS, 0.25, 0)


@pytest.mark.parametrize(
    ("names", "groups", "fraction", "seed", "message"),
    [
        ([], None, 0.5, 0, "0 slices cannot be split"),
        (["0.png"], None, 0.5, 0, "1 slices cannot be split"),
        (["0.png", "1.png"], PATIENTS, 0.5, 0, "all 2 slices belong to group 'pt_0'"),
        (["0.png", "9.png"], PATIENTS, 0.5, 0, "no group for '9.png'"),
        (["0.png", "0.png"], None, 0.5, 0, "'0.png' is given twice"),
        (NAMES, None, 0.0, 0, "validation fraction: 0.0 leaves one side empty"),
        (NAMES, None, 1.0, 0, "validation fraction"),
        (NAMES, None, float("nan"), 0, "validation fraction"),
        (NAMES, None, 0.5, -1, "seed: -1 is negative"),
    ],
)
def test_what_is_refused(
    names: list[str], groups: dict[str, str] | None, fraction: float, seed: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        split_slices(names, groups, fraction, seed)


def test_the_real_patients(headneck: Path) -> None:
    groups = read_groups(headneck / "groups.csv")
    names = [f"{number}.png" for number in range(92)]
    train, validation = split_slices(names, groups, 0.25, 0)
    assert not {groups[name] for name in train} & {groups[name] for name in validation}
    assert abs(len(validation) - 23) <= 1
