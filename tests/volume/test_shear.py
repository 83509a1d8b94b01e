"""Rotated, sheared and anisotropic volumes: every length, area and volume is of true space."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from fewshot.config.volume import VolumeSettings
from fewshot.slices.volume import grid_of, slice_position
from fewshot.volume.distances import surface_distance
from fewshot.volume.measure import measure
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.reconstruct import Request, reconstruct

BLOCK = (slice(3, 9), slice(4, 16), slice(5, 15))
VOXELS = 6 * 12 * 10
PLAIN = VolumeSettings(page=False)
UNITS = {"mm": 1.0, "micron": 1e-3, "meter": 1e3, "unknown": 1.0}


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """A matrix of any rotation, mirror, anisotropy and shear up to 30 degrees an axis, in mm."""
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True)
    sides = draw(st.tuples(*[st.floats(0.2, 6)] * 3))
    shear = np.eye(3)
    shear[0, 1], shear[0, 2], shear[1, 2] = np.tan(
        np.deg2rad(draw(st.tuples(*[st.floats(-30, 30)] * 3)))
    )
    mirror = np.diag(draw(st.tuples(*[st.sampled_from([-1, 1])] * 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix() @ shear @ np.diag(sides) @ mirror
    matrix[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return matrix


def block() -> NDArray[np.uint8]:
    voxels = np.zeros((14, 20, 20), np.uint8)
    voxels[BLOCK] = 1
    return voxels


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(affine=affines(), unit=st.sampled_from(sorted(UNITS)))
def test_a_block_in_nifti_has_its_volume_in_space(
    tmp_path: Path, affine: NDArray[np.float64], unit: str
) -> None:
    stored = affine.copy()
    stored[:3] /= UNITS[unit]
    image = nibabel.nifti1.Nifti1Image(block(), stored)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    (stack,) = read_stacks(tmp_path / "a.nii")
    (found,) = measure(stack, per_step=2)
    true = VOXELS * abs(np.linalg.det(affine[:3, :3]))
    assert found.figures.voxels_mm3 == pytest.approx(true, rel=1e-3)
    # Surfaces round corners off; the same sections at right angles tell by how much.
    straight = replace(stack, affine=np.diag([stack.step, *stack.pixel, 1.0]))
    (upright,) = measure(straight, per_step=2)
    share = stack.voxel_mm3 / straight.voxel_mm3
    for name in ("interpolated_mm3", "mesh_mm3"):
        expected = getattr(upright.figures, name) * share
        assert getattr(found.figures, name) == pytest.approx(expected, rel=1e-4)
    assert found.mesh is not None
    centre = affine[:3, :3] @ [5.5, 9.5, 9.5] + affine[:3, 3]
    middle = (found.mesh.vertices.min(axis=0) + found.mesh.vertices.max(axis=0)) / 2
    half = np.linalg.norm(affine[:3, :3], axis=0).max() / 2
    np.testing.assert_allclose(middle, centre, atol=half)


@settings(max_examples=30, deadline=None)
@given(affine=affines())
def test_distances_of_surfaces_are_those_of_all_pairs_in_space(affine: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.random((2, 5, 7, 6)) < 0.3).astype(bool)
    heights = np.array([0, 1, 2, 4, 5.0])

    def points(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        framed = np.pad(mask, 1)
        ways = [np.roll(framed, way, axis) for axis in range(3) for way in (1, -1)]
        places = np.argwhere((framed & ~np.logical_and.reduce(ways))[1:-1, 1:-1, 1:-1]).astype(
            float
        )
        places[:, 0] = heights[places[:, 0].astype(int)]
        return np.asarray(places @ affine[:3, :3].T)

    apart = cdist(points(a), points(b))
    found = surface_distance(a, b, affine, heights)
    assert found is not None
    both = np.concatenate([apart.min(axis=1), apart.min(axis=0)])
    assert found.mean == pytest.approx(both.mean())


@given(affine=affines(), axis=st.sampled_from([0, 1, 2]))
def test_planes_lie_as_far_apart_as_their_normals_say(
    affine: NDArray[np.float64], axis: int
) -> None:
    columns = [affine[:3, one] for one in (axis, *(one for one in range(3) if one != axis))]
    grid = grid_of(np.stack(columns, axis=1))
    steps = np.diff([slice_position(axis, index, affine) for index in range(4)])
    np.testing.assert_allclose(steps, grid.step, rtol=1e-6, atol=1e-9)
    assert grid.voxel_mm3 == pytest.approx(abs(np.linalg.det(affine[:3, :3])))


@pytest.mark.parametrize("angle", [0.0, 20.0])
def test_the_written_grid_and_surface_of_a_tilted_gantry_keep_the_volume(
    tmp_path: Path, angle: float
) -> None:
    import trimesh

    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    affine = np.array(
        [[-0.5, 0, 0, 0], [0, -0.5 * cosine, 0, 0], [0, -0.5 * sine, 5, 0], [0, 0, 0, 1.0]]
    )
    labels = np.zeros((40, 40, 10), np.uint8)
    labels[10:30, 10:30] = 1
    nibabel.save(nibabel.nifti1.Nifti1Image(labels, affine), tmp_path / "t.nii.gz")
    true = 4000 * 0.5 * 0.5 * 5 * cosine
    made = reconstruct(Request(tmp_path / "t.nii.gz", settings=PLAIN), tmp_path / "out")
    (row,) = made["structures"]
    assert row["voxels_mm3"] == pytest.approx(true, rel=1e-4)
    assert row["mesh_mm3"] == pytest.approx(true, rel=5e-3)
    tilted = " (tilted by 20 degrees)" if angle else ""
    assert made["read"] == [
        f"volume 't': 10 slices, {5 * cosine:.4g} mm apart{tilted}, {50 * cosine:.4g} mm"
    ]
    mesh: Any = trimesh.load(tmp_path / "out" / "meshes" / "t_1.ply", force="mesh")
    assert abs(mesh.volume) == pytest.approx(true, rel=5e-3)
    written = Request(tmp_path / "out" / "t.nii.gz", settings=PLAIN)
    again = reconstruct(written, tmp_path / "again")
    assert again["structures"][0]["voxels_mm3"] == pytest.approx(row["voxels_mm3"], rel=1e-4)
    for corner in itertools.product((9.5, 29.5), (9.5, 29.5), (-0.5, 9.5)):
        place = affine @ [*corner, 1]
        apart = np.linalg.norm(mesh.vertices - place[:3], axis=1).min()
        assert apart < 0.6
