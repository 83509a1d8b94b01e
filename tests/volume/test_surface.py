"""Surface distances against every pair of surface voxels, and where geometry knows them."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from fewshot.volume.bland_altman import bland_altman
from fewshot.volume.distances import surface_distance

SPACING = (2.0, 0.5, 0.7)


def surface_points(mask: np.ndarray) -> np.ndarray:
    """Voxels with a face to the outside, in mm, one by one."""
    padded = np.pad(mask, 1)
    points = []
    for z, y, x in np.argwhere(padded):
        faces = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        if not all(padded[z + s * a, y + s * b, x + s * c] for a, b, c in faces for s in (-1, 1)):
            points.append((z, y, x))
    return np.array(points) * SPACING


def test_distances_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    grid = np.indices((9, 30, 30)).transpose(1, 2, 3, 0) * SPACING
    a = np.linalg.norm(grid - [8, 7, 9], axis=-1) < 5
    b = (np.linalg.norm(grid - [9, 8, 10], axis=-1) < 4.5) | (rng.random(a.shape) < 0.002)
    apart = cdist(surface_points(a), surface_points(b))
    to_b, to_a = apart.min(axis=1), apart.min(axis=0)
    found = surface_distance(a, b, np.diag(SPACING))
    assert found is not None
    assert found.mean == pytest.approx(np.concatenate([to_a, to_b]).mean())
    worst = max(np.percentile(to_a, 95), np.percentile(to_b, 95))
    assert found.hausdorff95 == pytest.approx(worst)


def test_a_plate_moved_by_three_slices_is_that_far_away() -> None:
    a = np.zeros((12, 10, 10), bool)
    b = a.copy()
    a[2], b[5] = True, True
    found = surface_distance(a, b, np.diag(SPACING))
    assert found is not None
    assert (found.mean, found.hausdorff95) == (6.0, 6.0)


def test_equal_structures_do_not_lie_apart_and_nothing_has_no_distance() -> None:
    a = np.zeros((5, 5, 5), bool)
    a[1:4, 1:4, 1:4] = True
    found = surface_distance(a, a, np.diag(SPACING))
    assert found is not None
    assert (found.mean, found.hausdorff95) == (0.0, 0.0)
    assert surface_distance(a, np.zeros_like(a), np.diag(SPACING)) is None


def test_bias_and_limits_of_agreement() -> None:
    first, second = [10.0, 12.0, 20.0, 31.0], [9.0, 13.0, 18.0, 29.0]
    found = bland_altman(list(zip(first, second, strict=True)))
    assert (found.pairs, found.bias) == (4, 1.0)
    spread = 1.96 * np.std([1, -1, 2, 2], ddof=1)
    assert found.upper == pytest.approx(1 + spread)
    assert found.lower == pytest.approx(1 - spread)
    assert bland_altman([(2.0, 1.0)]).upper is None
    assert bland_altman([]).bias is None
