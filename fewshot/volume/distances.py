"""Distances in millimetres: of pixels to an outline, and between the surfaces of structures."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from fewshot.slices.arrays import Mask
from fewshot.slices.volume import grid_of

Field = NDArray[np.float32]


@dataclass(frozen=True)
class SurfaceDistance:
    """Distances between two surfaces in mm.

    `mean`: average symmetric surface distance. `hausdorff95`: the larger 95th percentile of the two
    directions.
    """

    mean: float
    hausdorff95: float


def signed_distance(mask: Mask, pixel: tuple[float, float]) -> Field:
    """Return the distance of each pixel to the outline in mm, positive inside, float32.

    The outline lies half-way between pixels; a section may reach the edge of the slice. Exact, by
    OpenCV for square pixels.
    """
    framed = np.pad(mask, 1)
    inside, outside = _distance(framed, pixel), _distance(~framed, pixel)
    found: Field = (inside - outside)[1:-1, 1:-1]
    return found


def surface_distance(
    a: Mask, b: Mask, matrix: ArrayLike, heights: NDArray[np.float64] | None = None
) -> SurfaceDistance | None:
    """Return the distances of two structures (slices, height, width); None if one is empty.

    A surface consists of the voxels with a face to the outside; distances are between voxel
    centres. `matrix` leads from (slice, row, column) to mm, 3 x 3 or larger; `heights` are the
    slices' positions in steps, if they are not even.
    Source: A. A. Taha and A. Hanbury, Metrics for evaluating 3D medical image segmentation, BMC
    Medical Imaging 15:29, 2015.
    """
    if not (a.any() and b.any()):
        return None
    (box,) = ndimage.find_objects((a | b).astype(np.int8))
    surface_a, surface_b = _surface(np.pad(a[box], 1)), _surface(np.pad(b[box], 1))
    own = None if heights is None else heights[box[0]]
    grid = grid_of(matrix)
    if grid.right_angled and (own is None or np.allclose(np.diff(own), 1, atol=1e-3)):
        sides = (grid.step, *grid.pixel)
        to_b = ndimage.distance_transform_edt(~surface_b, sampling=sides)[surface_a]
        to_a = ndimage.distance_transform_edt(~surface_a, sampling=sides)[surface_b]
    else:
        points_a, points_b = (_points(one, matrix, own) for one in (surface_a, surface_b))
        to_b, to_a = cKDTree(points_b).query(points_a)[0], cKDTree(points_a).query(points_b)[0]
    mean = (to_a.sum() + to_b.sum()) / (to_a.size + to_b.size)
    worst = max(np.percentile(to_a, 95), np.percentile(to_b, 95))
    return SurfaceDistance(float(mean), float(worst))


def _distance(mask: Mask, pixel: tuple[float, float]) -> Field:
    """Return the distance of each pixel of a mask to the nearest one outside it."""
    if abs(pixel[0] - pixel[1]) <= 1e-4 * pixel[0]:
        square = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        found: Field = np.asarray(square, np.float32) * np.float32(pixel[0])
        return found
    exact: Field = ndimage.distance_transform_edt(mask, sampling=pixel).astype(np.float32)
    return exact


def _points(
    surface: Mask, matrix: ArrayLike, heights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the voxel centres of a padded surface, (points, 3), mm."""
    places = np.argwhere(surface).astype(np.float64) - 1
    if heights is not None:
        places[:, 0] = heights[places[:, 0].astype(np.intp)]
    points: NDArray[np.float64] = places @ np.asarray(matrix, dtype=np.float64)[:3, :3].T
    return points


def _surface(mask: Mask) -> Mask:
    surface: Mask = mask & ~ndimage.binary_erosion(mask)
    return surface
