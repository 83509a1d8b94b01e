"""The place of a slice in a volume: cutting one out, upright, and putting one back."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.errors import InputError

Affine = tuple[tuple[float, ...], ...]
_LONGEST = 1e6  # mm; a kilometre is no patient
_TILT = 0.1  # degrees; anything less is rounding, and changes volumes by 2e-6


@dataclass(frozen=True)
class Volume:
    """The volume that slices were cut from, so that they can be stacked again.

    `axis` is the array axis the slices were cut along; `affine` the 4 x 4 matrix from voxel to mm
    (right, anterior, superior), as in nibabel; `source` the file or folder. See `slice_of` for the
    orientation of slices.
    Raises `InputError` for an impossible shape, axis or affine.
    """

    shape: tuple[int, int, int]
    axis: int
    affine: Affine
    source: str

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InputError(f"{self.source}: shape is {self.shape}; give three sides from 1 up")
        if self.axis not in (0, 1, 2):
            raise InputError(f"{self.source}: axis is {self.axis}; give 0, 1 or 2")
        if not _is_affine(self.affine):
            raise InputError(
                f"{self.source}: affine is not an invertible 4 x 4 matrix of millimetres"
            )


class Voxels(Protocol):
    """An array of three axes, or a file that can be sliced like one."""

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any: ...


def slice_of(voxels: Voxels, axis: int, index: int, affine: ArrayLike) -> NDArray[Any]:
    """Return slice `index` along array axis `axis`, shape (height, width), as an upright picture.

    `affine` (4 x 4, voxel to right-anterior-superior mm) defines the orientation: an axial slice
    has the patient's front on top and right side on the left, a coronal one the head on top and the
    right side on the left, a sagittal one the head on top and the front on the left. In terms of
    the array: of the other two axes, the one nearer to the later of (right, anterior, superior)
    becomes the rows, and both are turned to start at that positive end. DICOM pictures in their
    usual orientation are unchanged. Only the slice is read from the file behind `voxels`.
    """
    return upright(np.asarray(voxels[_plane(axis, index)]), axis, affine)


def put_slice(
    voxels: NDArray[Any], axis: int, index: int, affine: ArrayLike, picture: NDArray[Any]
) -> None:
    """Write an upright picture to the place that `slice_of` reads it from."""
    # upright gives a view, so writing through it undoes every turn.
    upright(voxels[_plane(axis, index)], axis, affine)[...] = picture


def upright(plane: NDArray[Any], axis: int, affine: ArrayLike) -> NDArray[Any]:
    """Return a plane of the array, with its axes in order, turned as in `slice_of`.

    The result is a view.
    """
    directions = _orientation(affine)[:, 1]
    row, column = _row_and_column(axis, affine)
    picture = plane.T if row > column else plane
    flips = (slice(None, None, -1 if directions[one] > 0 else 1) for one in (row, column))
    return picture[tuple(flips)]


def slice_spacing(axis: int, affine: ArrayLike) -> tuple[float, float]:
    """Return the size of a pixel of the upright picture, in mm: (row, column)."""
    sizes = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    row, column = _row_and_column(axis, affine)
    return float(sizes[row]), float(sizes[column])


def picture_affine(volume: Volume) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from (slice, row, column) of upright pictures to millimetres.

    Slice `k` is `slice_of(voxels, volume.axis, k, volume.affine)`.
    """
    matrix = np.asarray(volume.affine, dtype=np.float64)
    directions = _orientation(matrix)[:, 1]
    found = np.eye(4)
    found[:3, 3] = matrix[:3, 3]
    axes = (volume.axis, *_row_and_column(volume.axis, matrix))
    for place, axis in enumerate(axes):
        turned = place > 0 and directions[axis] > 0
        found[:3, place] = -matrix[:3, axis] if turned else matrix[:3, axis]
        if turned:
            found[:3, 3] += (volume.shape[axis] - 1) * matrix[:3, axis]
    return found


def slice_position(axis: int, index: int, affine: ArrayLike) -> float:
    """Return the position of the plane of slice `index` along its normal, in mm.

    The normal points towards higher indices. In a sheared volume (a tilted gantry) it differs from
    the direction of the axis, and planes are closer than the axis' step.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    step = matrix[:3, axis]
    first, second = (matrix[:3, one] for one in range(3) if one != axis)
    normal = np.cross(first, second)
    normal *= np.sign(normal @ step) / np.linalg.norm(normal)
    return float((matrix[:3, 3] + index * step) @ normal)


@dataclass(frozen=True)
class Grid:
    """The dimensions of a stack of pictures, from its matrix to mm.

    Attributes:
        step: distance of neighbouring planes, mm, along their normal.
        pixel: size of a pixel, mm: (row, column).
        pixel_mm2: area of a pixel, less than the product of its sides if they are not at right
            angles.
        tilt: angle between the step from slice to slice and the planes' normal, in degrees.
    """

    step: float
    pixel: tuple[float, float]
    pixel_mm2: float
    tilt: float

    @property
    def voxel_mm3(self) -> float:
        """Return the volume of a voxel, mm3: the determinant of the matrix."""
        return self.pixel_mm2 * self.step

    @property
    def right_angled(self) -> bool:
        """Return whether the axes are at right angles, within 0.1 degrees."""
        flat = self.pixel_mm2 / (self.pixel[0] * self.pixel[1])
        return self.tilt < _TILT and bool(flat > np.cos(np.deg2rad(_TILT)))


def grid_of(matrix: ArrayLike) -> Grid:
    """Return the dimensions from a matrix (3 x 3 or larger) from slice, row and column to mm."""
    step, row, column = np.asarray(matrix, dtype=np.float64)[:3, :3].T
    normal = np.cross(row, column)
    area = float(np.linalg.norm(normal))
    apart = abs(float(step @ normal)) / area
    slant = min(1.0, apart / float(np.linalg.norm(step)))
    pixel = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    return Grid(apart, pixel, area, float(np.rad2deg(np.arccos(slant))))


def describe_slices(count: int, grid: Grid, stands_for: float) -> str:
    """Return how slices were read: `20 slices, 5 mm apart, 100 mm`."""
    slices = "1 slice" if count == 1 else f"{count} slices"
    tilted = "" if grid.tilt < _TILT else f" (tilted by {grid.tilt:.3g} degrees)"
    apart = f"{grid.step:.4g} mm {'thick' if count == 1 else 'apart'}"
    return f"{slices}, {apart}{tilted}, {stands_for:.4g} mm"


def _plane(axis: int, index: int) -> tuple[int | slice, ...]:
    return tuple(index if one == axis else slice(None) for one in range(3))


def _row_and_column(axis: int, affine: ArrayLike) -> tuple[int, int]:
    """Return the array axes of the rows and columns of the picture."""
    world = _orientation(affine)[:, 0]
    first, second = (one for one in range(3) if one != axis)
    return (first, second) if world[first] > world[second] else (second, first)


def _orientation(affine: ArrayLike) -> NDArray[np.float64]:
    """Return for each array axis the nearest world axis and the sign of its direction."""
    from nibabel.orientations import io_orientation

    orientation: NDArray[np.float64] = io_orientation(np.asarray(affine, dtype=np.float64))
    return orientation


def _is_affine(affine: Affine) -> bool:
    if len(affine) != 4 or any(len(row) != 4 for row in affine):
        return False
    matrix = np.array(affine, dtype=np.float64)
    # NaN fails the comparison too.
    if not (np.abs(matrix) <= _LONGEST).all():
        return False
    # io_orientation, used for the directions, needs three distinct axes.
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return bool(scales[-1] > 1e-6 * scales[0] and scales[0] > 1e-6)
