"""Cleaning a structure: parts, cavities and rough surfaces."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.slices.arrays import Mask
from fewshot.slices.volume import Grid

Keep = Literal["all", "largest"]

_ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class CleanRule:
    """How to clean a structure.

    Attributes:
        keep: all parts, or the largest.
        min_mm3: smaller parts are dropped.
        fill_holes: whether closed cavities are filled.
        smooth_mm: σ of a Gaussian that smooths the surface, 0 for none; the volume is kept.
    """

    keep: Keep = "all"
    min_mm3: float = 0.0
    fill_holes: bool = False
    smooth_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A structure, (slices, height, width), and its numbers of parts and cavities."""

    mask: Mask
    parts: int
    cavities: int


def clean(mask: Mask, grid: Grid, rule: CleanRule) -> Cleaned:
    """Return a cleaned structure.

    Parts are connected by faces, edges or corners, cavities by faces.
    Raises `InputError` for smoothing if the axes are not at right angles.
    """
    mask, parts = _parts(mask, grid.voxel_mm3, rule)
    mask, cavities = _cavities(mask, fill=rule.fill_holes)
    if rule.smooth_mm > 0 and mask.any():
        if not grid.right_angled:
            raise InputError(
                f"slices are sheared (tilted by {grid.tilt:.3g} degrees), and --smooth is for "
                "right-angled volumes; leave it out or resample the volume"
            )
        mask = smoothed(mask, (grid.step, *grid.pixel), rule.smooth_mm)
        mask, parts = _parts(mask, grid.voxel_mm3, rule)
    return Cleaned(mask, parts, cavities)


def smoothed(mask: Mask, spacing: tuple[float, float, float], sigma_mm: float) -> Mask:
    """Return a structure with a smooth surface and, except for ties, as many voxels as before.

    The voxels with the highest values after a Gaussian filter.
    """
    sigma = [sigma_mm / side for side in spacing]
    share = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant", truncate=3)
    wanted = int(np.count_nonzero(mask))
    if wanted >= share.size:
        return mask
    level = np.partition(share.ravel(), share.size - wanted)[share.size - wanted]
    found: Mask = share >= max(level, np.finfo(np.float32).tiny)
    return found


def _parts(mask: Mask, voxel_mm3: float, rule: CleanRule) -> tuple[Mask, int]:
    labels, count = ndimage.label(mask, _ALL_NEIGHBOURS)
    if rule.keep == "all" and rule.min_mm3 <= 0:
        return mask, int(count)
    sizes = np.bincount(labels.ravel())
    kept = sizes * voxel_mm3 >= rule.min_mm3
    kept[0] = False
    if rule.keep == "largest" and kept.any():
        kept &= np.arange(kept.size) == np.where(kept, sizes, 0).argmax()
    return kept[labels], int(np.count_nonzero(kept))


def _cavities(mask: Mask, *, fill: bool) -> tuple[Mask, int]:
    """Return the structure, filled or not, and the number of its cavities."""
    # Not by binary_fill_holes, which passes over the volume once per voxel of depth.
    labels, count = ndimage.label(~np.pad(mask, 1))
    if count <= 1:
        return mask, 0
    if not fill:
        return mask, int(count) - 1
    outside = labels[1:-1, 1:-1, 1:-1] == labels[0, 0, 0]
    return ~outside, 0
