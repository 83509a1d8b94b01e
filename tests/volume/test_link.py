"""Structures found again after the ids of every slice were shuffled."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fewshot.volume.link import LinkRule, link_labels

Labels = NDArray[np.uint16]


def shuffled(labels: Labels, seed: int) -> Labels:
    """Give every slice ids of its own, as few as it has structures."""
    rng = np.random.default_rng(seed)
    found = np.zeros_like(labels)
    for section, target in zip(labels, found, strict=True):
        ids = np.unique(section[section > 0])
        names = np.zeros(int(labels.max()) + 1, np.uint16)
        names[ids] = rng.permutation(len(ids)) + 1
        target[:] = names[section]
    return found


def returned(true: Labels, linked: Labels) -> dict[int, tuple[int, float]]:
    """Return structure → its voxels, and the part of them in the one linked structure it has."""
    rows, columns = int(true.max()) + 1, int(linked.max()) + 1
    pairs = true.ravel().astype(int) * columns + linked.ravel()
    table = np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)[1:, 1:]
    partner = dict(zip(*linear_sum_assignment(table, maximize=True), strict=True))
    return {
        row + 1: (int(table[row].sum()), table[row, partner[row]] / table[row].sum())
        if row in partner
        else (int(table[row].sum()), 0.0)
        for row in range(rows - 1)
        if table[row].any()
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_structures_of_a_real_volume_come_back(abdomen: Path, seed: int) -> None:
    image: Any = nibabel.load(abdomen / "labels.nii.gz")
    voxels = np.asarray(image.dataobj).astype(np.uint16)
    true = np.ascontiguousarray(np.moveaxis(voxels, 2, 0))
    found = returned(true, link_labels(shuffled(true, seed)))
    above_5_ml = {one: part for one, (size, part) in found.items() if size * 27 > 5000}
    assert len(above_5_ml) == 48
    assert min(above_5_ml.values()) >= 0.95, above_5_ml


def tube(labels: Labels, slices: range, row: int, column: int, side: int, name: int) -> None:
    labels[slices.start : slices.stop, row : row + side, column : column + side] = name


def test_a_pause_of_three_slices_is_bridged_and_a_longer_one_is_not() -> None:
    labels = np.zeros((20, 16, 16), np.uint16)
    tube(labels, range(0, 5), 2, 2, 5, 1)
    tube(labels, range(8, 12), 2, 3, 5, 1)
    tube(labels, range(16, 20), 2, 3, 5, 2)
    found = link_labels(shuffled(labels, 0))
    assert {tuple(np.unique(found[labels == one])) for one in (1, 2)} == {(1,), (2,)}


def test_regions_that_flow_together_are_one_structure_if_they_were_apart() -> None:
    labels = np.zeros((12, 16, 32), np.uint16)
    tube(labels, range(0, 6), 4, 2, 8, 1)
    tube(labels, range(0, 6), 4, 18, 8, 2)
    labels[6:, 4:12, 2:26] = 3
    labels[9:, 4:12, 10:18] = 0
    labels[9:, 4:12, 18:26] = 4
    labels[9:, 4:12, 2:10] = 3
    assert np.unique(link_labels(labels)).tolist() == [0, 1]
    assert np.unique(link_labels(labels, LinkRule(join="never"))).size > 2


def test_regions_that_touch_are_not_joined() -> None:
    labels = np.zeros((12, 16, 32), np.uint16)
    tube(labels, range(0, 6), 4, 2, 8, 1)
    tube(labels, range(0, 6), 4, 10, 8, 2)
    labels[6:, 4:12, 2:18] = 3
    found = link_labels(shuffled(labels, 3))
    assert len({int(found[0, 5, 4]), int(found[0, 5, 14]), int(found[8, 5, 4])}) == 3


def test_where_an_id_has_several_parts_nothing_is_joined() -> None:
    labels = np.zeros((12, 16, 32), np.uint16)
    tube(labels, range(0, 6), 4, 2, 8, 1)
    tube(labels, range(0, 6), 4, 18, 8, 2)
    labels[6:, 4:12, 2:26] = 1
    tube(labels, range(0, 12), 13, 2, 3, 3)
    tube(labels, range(0, 12), 13, 20, 3, 3)
    found = link_labels(shuffled(labels, 1))
    assert found[0, 5, 4] != found[0, 5, 20]


def test_larger_structures_have_smaller_numbers_and_nothing_stays_nothing() -> None:
    labels = np.zeros((6, 16, 16), np.uint16)
    tube(labels, range(1, 5), 1, 1, 3, 7)
    tube(labels, range(0, 6), 8, 8, 6, 2)
    found = link_labels(shuffled(labels, 2))
    assert found[2, 9, 9] == 1
    assert found[2, 2, 2] == 2
    assert not link_labels(np.zeros((4, 8, 8), np.uint16)).any()
    assert link_labels(np.zeros((0, 8, 8), np.uint16)).shape == (0, 8, 8)
