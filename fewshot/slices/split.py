"""Splitting slices into training and validation, whole groups together."""

from collections.abc import Mapping, Sequence

import numpy as np

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, name_a_few


def split_slices(
    names: Sequence[str],
    groups: Mapping[str, str] | None,
    validation_fraction: float,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Return the training and the validation slices, each in the order of `names`.

    All slices of a group (`groups` maps image to group; by default each slice is its own) are on
    the same side. The validation side is a random choice of groups with a total as close to the
    fraction as possible; both sides get at least one group. The same names, in any order, and the
    same seed give the same split.

    Raises `InputError` for fewer than two slices or groups, a repeated slice, a slice without a
    group, or a fraction outside 0 to 1.
    """
    if not 0 < validation_fraction < 1:
        raise InputError(
            f"validation fraction: {validation_fraction} leaves one side empty;"
            " choose one between 0 and 1"
        )
    if seed < 0:
        raise InputError(f"seed: {seed} is negative; choose 0 or above")
    if len(names) < 2:
        raise InputError(f"split: {len(names)} slices cannot be split; label at least two")
    group_of = _group_of(names, groups)
    sizes: dict[str, int] = {}
    for group in sorted(group_of.values()):
        sizes[group] = sizes.get(group, 0) + 1
    if len(sizes) < 2:
        raise InputError(
            f"split: all {len(names)} slices belong to group {next(iter(sizes))!r};"
            " a split by group needs at least two groups"
        )
    shuffled = [list(sizes)[i] for i in np.random.default_rng(seed).permutation(len(sizes))]
    chosen = _nearest_subset([sizes[group] for group in shuffled], validation_fraction * len(names))
    validation = {shuffled[i] for i in chosen}
    return (
        [name for name in names if group_of[name] not in validation],
        [name for name in names if group_of[name] in validation],
    )


def _group_of(names: Sequence[str], groups: Mapping[str, str] | None) -> dict[str, str]:
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f"split: slice {twice!r} is given twice; keep one")
    if groups is None:
        return {name: name for name in names}
    by_stem = {image_stem(name): group for name, group in groups.items()}
    missing = [name for name in names if image_stem(name) not in by_stem]
    if missing:
        raise InputError(f"groups: no group for {name_a_few(missing)}; add them to the groups file")
    return {name: by_stem[image_stem(name)] for name in names}


def _nearest_subset(sizes: Sequence[int], target: float) -> list[int]:
    """Return positions whose sizes sum nearest to `target`, neither none nor all of them.

    Subset sums by dynamic programming; of equally near sums the smaller, and of its subsets the one
    found first, so that a shuffled list gives a random one.
    """
    total = sum(sizes)
    reached = np.zeros(total + 1, dtype=bool)
    reached[0] = True
    last_added = np.full(total + 1, -1)
    for position, size in enumerate(sizes):
        newly = np.zeros_like(reached)
        newly[size:] = reached[:-size] & ~reached[size:]
        last_added[newly] = position
        reached |= newly
    sums = np.flatnonzero(reached)[1:-1]
    left = int(sums[np.abs(sums - target).argmin()])
    chosen = []
    while left:
        chosen.append(int(last_added[left]))
        left -= sizes[chosen[-1]]
    return chosen
