"""Where a NIfTI file's header says that its voxels lie, in millimetres."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.errors import InputError

_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # none (taken as mm), metre, mm, micrometre
_SIDES = 0.01  # part of a side by which two statements of it may differ


def affine_mm(affine: ArrayLike, header: Any, path: Path) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from voxel to millimetres (right, anterior, superior).

    `affine` is nibabel's: the sform where the file has one, else the qform, else the voxels' sides
    alone. `header` as it is stored tells the unit; a file that names none is in mm.
    Raises `InputError` for an unknown unit, sides of 0, and an sform whose voxels are not as large
    as `pixdim` says: one of the two is of another grid, and no rule tells which.
    """
    code = int(header["xyzt_units"]) % 8
    if code not in _UNITS:
        raise InputError(f"{path}: xyzt_units is {int(header['xyzt_units'])}; give mm, m or um")
    matrix = np.array(affine, dtype=np.float64)
    # As they are stored: nibabel takes sides of 0 for 1.
    sides = np.abs(header["pixdim"][1:4].astype(np.float64))
    has_sform = int(header["sform_code"]) > 0
    own = np.linalg.norm(matrix[:3, :3], axis=0)
    if not has_sform and (not np.isfinite(sides).all() or sides.min() <= 0):
        raise InputError(f"{path}: pixdim says voxels of {_shown(sides)}; give sides above 0")
    # In a sheared volume some write the length of a step, some the distance of the planes.
    off = np.maximum(sides - own, _apart(matrix[:3, :3]) - sides)
    if has_sform and sides.min() > 0 and (off > _SIDES * sides).any():
        raise InputError(
            f"{path}: sform says voxels of {_shown(own)}, pixdim of {_shown(sides)}; remove the "
            "one that is wrong (sform_code 0, or pixdim as the sform)"
        )
    matrix[:3] *= _UNITS[code]
    return matrix


def _apart(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of neighbouring planes along each axis; of a flat matrix, 0."""
    if abs(np.linalg.det(matrix)) < 1e-18:
        return np.zeros(3)
    apart: NDArray[np.float64] = 1 / np.linalg.norm(np.linalg.inv(matrix), axis=1)
    return apart


def _shown(sides: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)
