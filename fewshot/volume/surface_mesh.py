"""The surface of a structure as triangles, in millimetres."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from fewshot.volume.distances import Field
from fewshot.volume.interpolate import Sections, plane_positions, planes

_MAX_FIELD = 1 << 24
"""Samples at most for a surface; larger structures are subsampled.

64 MB, and about five times as much for the triangles.
"""
_MOST_HULL_POINTS = 3000


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface: vertices (points, 3) float64 in mm, and its triangles.

    The vertices of `field_mesh` are (slice, row, column), those of a measured structure right,
    anterior, superior.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    def volume(self) -> float:
        """Return the enclosed volume in mm3, by the divergence theorem."""
        a, b, c = (self.vertices[self.faces[:, one]] for one in range(3))
        # Relative to the middle, so that large coordinates lose no precision.
        middle = self.vertices.mean(axis=0) if len(self.vertices) else np.zeros(3)
        products = np.einsum("ij,ij->i", a - middle, np.cross(b - middle, c - middle))
        return float(abs(products.sum()) / 6)


def field_mesh(sections: Sections, per_step: int) -> Mesh | None:
    """Return the surface of a structure, None if it is too small to have one.

    By marching cubes (T. Lewiner et al., 2003, from scikit-image) on the planes of
    `fewshot.volume.interpolate`. Row and column 0 are the first pixel's centre, slice 0 is position
    0.
    """
    from skimage.measure import marching_cubes

    per_step, stride = _density(sections, per_step)
    positions = plane_positions(sections, per_step)
    field = _field(sections, positions, stride)
    if field.max() <= 0:
        return None
    height = sections.step / per_step
    spacing = (height, sections.pixel[0] * stride, sections.pixel[1] * stride)
    found = marching_cubes(field, 0.0, spacing=spacing)
    vertices, faces = found[:2]
    shift = [positions[0] - height, -spacing[1], -spacing[2]]
    return Mesh(vertices.astype(np.float64) + shift, faces.astype(np.int64))


def caliper(mesh: Mesh) -> tuple[float, float]:
    """Return length and width of a structure in mm, as measured with a caliper.

    The length is the largest distance of two points, the width the largest across it.
    """
    points = mesh.vertices
    with suppress(QhullError):  # flat, or too few points
        points = points[ConvexHull(points).vertices]
    # A hull with thousands of points is round, and every n-th point is enough.
    points = points[:: -(-len(points) // _MOST_HULL_POINTS)]
    a, b, length = _farthest(points)
    along = (points[b] - points[a]) / length if length else np.zeros(3)
    across = points - np.outer(points @ along, along)
    return length, _farthest(across)[2]


def caliper_volume(length: float, width: float) -> float:
    """Return a tumour's volume estimated from two diameters, V = W²·L/2, mm3."""
    return width * width * length / 2


def _density(sections: Sections, per_step: int) -> tuple[int, int]:
    """Return planes per step and stride of pixels for at most `_MAX_FIELD` samples."""
    height, width = sections.masks.shape[1:]
    steps = (sections.positions[-1] - sections.positions[0]) / sections.step + 3
    while per_step > 1 and steps * per_step * height * width > _MAX_FIELD:
        per_step -= 1
    stride = 1
    while steps * per_step * (height // stride) * (width // stride) > _MAX_FIELD:
        stride += 1
    return per_step, stride


def _field(sections: Sections, positions: NDArray[np.float64], stride: int) -> Field:
    """Return the planes, padded by one sample outside on all sides."""
    height, width = (-(-side // stride) for side in sections.masks.shape[1:])
    outside = -max(sections.pixel)
    field = np.full((len(positions) + 2, height + 2, width + 2), outside, dtype=np.float32)
    for index, plane in enumerate(planes(sections, positions), start=1):
        field[index, 1:-1, 1:-1] = plane[::stride, ::stride]
    return field


def _farthest(points: NDArray[np.float64]) -> tuple[int, int, float]:
    """Return the two points that are farthest apart, and their distance."""
    best = (0, 0, 0.0)
    for one in range(len(points) - 1):
        away = ((points[one + 1 :] - points[one]) ** 2).sum(axis=1)
        other = int(away.argmax())
        if away[other] > best[2]:
            best = (one, one + 1 + other, float(away[other]))
    return best[0], best[1], float(np.sqrt(best[2]))
