"""Slices cut from volumes lie upright, and go back where they came from."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.slices.volume import put_slice, slice_of, slice_position, slice_spacing

# Each voxel holds its own world position: 100 * right + 10 * anterior + superior, in steps.
SIDES = (4, 5, 6)
RAS = np.fromfunction(lambda r, a, s: 100 * r + 10 * a + s, SIDES)

# What must be seen from the top left: (first row and column, last row, last column).
AXIAL, CORONAL, SAGITTAL = (300 + 40, 300, 40), (300 + 5, 300, 5), (45, 40, 5)


def arranged(order: tuple[int, ...], flips: tuple[bool, ...]) -> tuple[NDArray[np.float64], ...]:
    """The same patient in another arrangement of the array, with its affine."""
    voxels = RAS.transpose(order)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (world, flip) in enumerate(zip(order, flips, strict=True)):
        step = (1.0, 2.0, 3.0)[world]
        affine[world, axis] = -step if flip else step
        affine[world, 3] = step * (SIDES[world] - 1) if flip else 0
        voxels = np.flip(voxels, axis) if flip else voxels
    return voxels, affine


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_every_arrangement_gives_the_same_upright_pictures(
    order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    voxels, affine = arranged(order, flips)
    for world, corners in enumerate((SAGITTAL, CORONAL, AXIAL)):
        axis = order.index(world)
        index = voxels.shape[axis] - 1 if flips[axis] else 0
        picture = slice_of(voxels, axis, index, affine)
        assert (picture[0, 0], picture[-1, 0], picture[0, -1]) == corners
        rows, columns = ((3.0, 2.0), (3.0, 1.0), (2.0, 1.0))[world]
        assert slice_spacing(axis, affine) == (rows, columns)
        back = np.zeros_like(voxels)
        for place in range(voxels.shape[axis]):
            put_slice(back, axis, place, affine, slice_of(voxels, axis, place, affine))
        np.testing.assert_array_equal(back, voxels)


def test_positions_are_millimetres_along_the_axis() -> None:
    _, affine = arranged((0, 1, 2), (False, False, True))
    assert [slice_position(2, index, affine) for index in (0, 1)] == [-15.0, -12.0]
    assert slice_position(1, 3, affine) == 6.0
