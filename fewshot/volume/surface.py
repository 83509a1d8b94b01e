"""How far the surfaces of two structures lie apart, in millimetres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class SurfaceDistance:
    """Distances between surfaces in mm.

    `mean`: the mean over both surfaces of the distance to the other (average symmetric surface
    distance). `hausdorff95`: the larger of both sides' 95th percentile.
    """

    mean: float
    hausdorff95: float


def surface_distance(a: Mask, b: Mask, spacing: Spacing) -> SurfaceDistance | None:
    """Return the distances of two structures (slices, height, width); None where one is empty.

    A surface is the voxels of a structure that touch the outside by a face; distances are between
    the voxels' centres, `spacing` is slice, row, column in mm.
    Source: A. A. Taha and A. Hanbury, Metrics for evaluating 3D medical image segmentation, BMC
    Medical Imaging 15:29, 2015.
    """
    if not (a.any() and b.any()):
        return None
    (box,) = ndimage.find_objects((a | b).astype(np.int8))
    a, b = np.pad(a[box], 1), np.pad(b[box], 1)
    surface_a, surface_b = _surface(a), _surface(b)
    to_b = ndimage.distance_transform_edt(~surface_b, sampling=spacing)[surface_a]
    to_a = ndimage.distance_transform_edt(~surface_a, sampling=spacing)[surface_b]
    mean = (to_a.sum() + to_b.sum()) / (to_a.size + to_b.size)
    worst = max(np.percentile(to_a, 95), np.percentile(to_b, 95))
    return SurfaceDistance(float(mean), float(worst))


def _surface(mask: Mask) -> Mask:
    surface: Mask = mask & ~ndimage.binary_erosion(mask)
    return surface
