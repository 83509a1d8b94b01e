"""How a slice lies in a volume: cutting one out, upright, and putting one back."""

from typing import Any, Protocol

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray


class Voxels(Protocol):
    """An array of three axes, or a file that is read as one by slicing it."""

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any: ...


def slice_of(voxels: Voxels, axis: int, index: int, affine: ArrayLike) -> NDArray[Any]:
    """Return slice `index` along array axis `axis`, shape (height, width), as an upright picture.

    `affine` (4 x 4, voxel to right-anterior-superior mm) tells which way is up: an axial slice has
    the patient's front on top and right side on the left, a coronal one the head on top and the
    right side on the left, a sagittal one the head on top and the front on the left. In words of
    the array: of the two array axes that are left, the one nearer to the later of (right, anterior,
    superior) becomes the rows, and both are turned to start at that positive end. A DICOM picture
    in its usual orientation comes out as it is stored. Only the slice is read from the file behind
    `voxels`.
    """
    plane = np.asarray(voxels[_plane(axis, index)])
    return _upright(plane, axis, affine)


def put_slice(
    voxels: NDArray[Any], axis: int, index: int, affine: ArrayLike, picture: NDArray[Any]
) -> None:
    """Write an upright picture to where `slice_of` takes it from; `voxels` changes in place."""
    # _upright gives a view, so writing through it undoes every turn.
    _upright(voxels[_plane(axis, index)], axis, affine)[...] = picture


def slice_spacing(axis: int, affine: ArrayLike) -> tuple[float, float]:
    """Return the size of a pixel of the upright picture, in mm: (row, column)."""
    sizes = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    row, column = _row_and_column(axis, affine)
    return float(sizes[row]), float(sizes[column])


def slice_position(axis: int, index: int, affine: ArrayLike) -> float:
    """Return where slice `index` lies along the direction of its axis, in mm of the affine."""
    matrix = np.asarray(affine, dtype=np.float64)
    step = matrix[:3, axis]
    return float((matrix[:3, 3] + index * step) @ step / np.linalg.norm(step))


def _plane(axis: int, index: int) -> tuple[int | slice, ...]:
    return tuple(index if one == axis else slice(None) for one in range(3))


def _row_and_column(axis: int, affine: ArrayLike) -> tuple[int, int]:
    """Return which array axes become the rows and the columns of the picture."""
    world = nibabel.orientations.io_orientation(np.asarray(affine, dtype=np.float64))[:, 0]
    first, second = (one for one in range(3) if one != axis)
    return (first, second) if world[first] > world[second] else (second, first)


def _upright(plane: NDArray[Any], axis: int, affine: ArrayLike) -> NDArray[Any]:
    directions = nibabel.orientations.io_orientation(np.asarray(affine, dtype=np.float64))[:, 1]
    row, column = _row_and_column(axis, affine)
    picture = plane.T if row > column else plane
    flips = (slice(None, None, -1 if directions[one] > 0 else 1) for one in (row, column))
    return picture[tuple(flips)]
