"""The geometry in a NIfTI header, in millimetres."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.errors import InputError

_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # none (taken as mm), metre, mm, micrometre
_SIDES = 0.01  # relative difference allowed between two statements of a side


def affine_mm(affine: ArrayLike, header: Any, path: Path) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from voxel to millimetres (right, anterior, superior).

    `affine` is nibabel's: from the sform, or else the qform, or else only the voxel size. `header`,
    as stored, has the unit; the default is mm.
    Raises `InputError` for an unknown unit, sides of 0, and an sform that contradicts `pixdim`: one
    of the two is of another grid, and nobody knows which.
    """
    code = int(header["xyzt_units"]) % 8
    if code not in _UNITS:
        raise InputError(f"{path}: xyzt_units is {int(header['xyzt_units'])}; give mm, m or um")
    matrix = np.array(affine, dtype=np.float64)
    # As stored: nibabel changes sides of 0 to 1.
    sides = np.abs(header["pixdim"][1:4].astype(np.float64))
    has_sform = int(header["sform_code"]) > 0
    own = np.linalg.norm(matrix[:3, :3], axis=0)
    if not has_sform and (not np.isfinite(sides).all() or sides.min() <= 0):
        raise InputError(f"{path}: pixdim says voxels of {_shown(sides)}; give sides above 0")
    # For sheared volumes some tools write the step length, some the distance of the planes.
    off = np.maximum(sides - own, _apart(matrix[:3, :3]) - sides)
    if has_sform and sides.min() > 0 and (off > _SIDES * sides).any():
        raise InputError(
            f"{path}: sform says voxels of {_shown(own)}, pixdim of {_shown(sides)}; remove the "
            "one that is wrong (sform_code 0, or pixdim as the sform)"
        )
    matrix[:3] *= _UNITS[code]
    return matrix


def _apart(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of neighbouring planes along each axis; 0 for a flat matrix."""
    if abs(np.linalg.det(matrix)) < 1e-18:
        return np.zeros(3)
    apart: NDArray[np.float64] = 1 / np.linalg.norm(np.linalg.inv(matrix), axis=1)
    return apart


def _shown(sides: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)
