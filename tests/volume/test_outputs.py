"""Surfaces, grids and linked masks, read back by other libraries."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import trimesh

from fewshot.config.volume import VolumeSettings
from fewshot.export.nifti import write_volumes
from fewshot.masks.coco import SliceRecord, SliceSet, Volume, read_coco, write_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.volume import picture_affine, slice_of
from fewshot.volume.measure import measure
from fewshot.volume.outputs import write_fine_grid, write_mesh
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.reconstruct import Request, reconstruct

AFFINES = [
    np.diag([-0.5, -0.5, 2.0, 1.0]),
    np.array([[0, 0, 2.0, -7], [0.5, 0, 0, 3], [0, -0.4, 0, 11], [0, 0, 0, 1]]),
]


def volume_file(folder: Path, affine: Any, axis: int) -> tuple[Path, np.ndarray]:
    """Write a COCO file of the slices of a volume with two balls; return it and the volume."""
    voxels = np.zeros((24, 26, 28), np.uint16)
    grid = np.indices(voxels.shape)
    voxels[((grid - np.array([9, 9, 9])[:, None, None, None]) ** 2).sum(axis=0) <= 36] = 5
    voxels[((grid - np.array([18, 18, 20])[:, None, None, None]) ** 2).sum(axis=0) <= 16] = 9
    records, masks = [], {}
    for index in range(voxels.shape[axis]):
        picture = slice_of(voxels, axis, index, affine)
        height, width = picture.shape
        records.append(SliceRecord(index, f"{index}.png", height, width, volume="ct", index=index))
        masks[index] = SliceMasks.from_label_map(index, picture, structures=True)
    given = tuple(tuple(float(one) for one in row) for row in affine)
    volumes = {"ct": Volume((24, 26, 28), axis, given, "ct.nii.gz")}
    write_coco(folder / "ct.json", SliceSet(folder, tuple(records), masks, volumes), "balls")
    return folder / "ct.json", voxels


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("axis", [0, 2])
def test_slices_lie_where_the_affine_says(affine: Any, axis: int) -> None:
    voxels = np.arange(24).reshape(2, 3, 4)
    given = tuple(tuple(float(one) for one in row) for row in affine)
    volume = Volume((2, 3, 4), axis, given, "v")
    to_world = picture_affine(volume)
    for place in np.ndindex(2, 3, 4):
        picture = slice_of(voxels, axis, place[axis], affine)
        ((row, column),) = np.argwhere(picture == voxels[place])
        found = to_world @ [place[axis], row, column, 1]
        np.testing.assert_allclose(found, affine @ [*place, 1])


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("axis", [0, 2])
def test_grids_and_surfaces_lie_where_the_volume_does(
    tmp_path: Path, affine: Any, axis: int
) -> None:
    file, voxels = volume_file(tmp_path, affine, axis)
    made = reconstruct(
        Request(file, settings=VolumeSettings(mesh=("ply", "stl", "glb"), page=False)),
        tmp_path / "out",
    )
    assert [row["structure"] for row in made["structures"]] == [5, 9]
    image: Any = nibabel.load(tmp_path / "out" / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
    np.testing.assert_allclose(image.affine, affine)
    centre = (affine @ [9, 9, 9, 1])[:3]
    for form, scale in (("ply", 1), ("stl", 1), ("glb", 1000)):
        mesh: Any = trimesh.load(tmp_path / "out" / "meshes" / f"ct_5.{form}", force="mesh")
        assert mesh.is_watertight
        volume = made["structures"][0]["mesh_mm3"]
        assert mesh.volume * scale**3 == pytest.approx(volume, rel=1e-3)
        np.testing.assert_allclose(mesh.bounds.mean(axis=0) * scale, centre, atol=0.1)


@pytest.mark.parametrize("affine", AFFINES)
def test_the_interpolated_grid_lies_where_the_volume_does(tmp_path: Path, affine: Any) -> None:
    file, _ = volume_file(tmp_path, affine, 2)
    (stack,) = read_stacks(file)
    structures = list(measure(stack, per_step=4))
    write_fine_grid(tmp_path / "fine.nii.gz", stack, structures, 4, 1 << 24)
    image: Any = nibabel.load(tmp_path / "fine.nii.gz")
    fine = np.asarray(image.dataobj)
    assert set(np.unique(fine)) == {0, 5, 9}
    for structure, place in ((5, [9, 9, 9]), (9, [18, 18, 20])):
        middle = np.argwhere(fine == structure).mean(axis=0)
        np.testing.assert_allclose(
            (image.affine @ [*middle, 1])[:3], (affine @ [*place, 1])[:3], atol=0.15
        )
    voxel = abs(np.linalg.det(image.affine[:3, :3]))
    found = np.count_nonzero(fine == 5) * voxel
    assert found == pytest.approx(structures[0].figures.interpolated_mm3, rel=0.02)


def test_linked_masks_carry_their_structure_through_coco_to_nifti(tmp_path: Path) -> None:
    file, voxels = volume_file(tmp_path, AFFINES[0], 2)
    slices = read_coco(file)
    nameless = [
        SliceMasks.from_label_map(record.image_id, labels)
        for record in slices.records
        if (labels := slice_of(voxels, 2, record.index or 0, AFFINES[0])).any()
    ]
    write_coco(tmp_path / "nameless.json", slices.with_masks(nameless), "no structures")
    reconstruct(
        Request(tmp_path / "nameless.json", settings=VolumeSettings(mesh=("none",), page=False)),
        tmp_path / "out",
    )
    linked = read_coco(tmp_path / "out" / "linked.json")
    assert {one for masks in linked.masks.values() for one in masks.structures} == {1, 2}
    (target,) = write_volumes(tmp_path, linked, MergeRule(0.0))
    image: Any = nibabel.load(target)
    names = np.zeros(10, np.int16)
    names[[5, 9]] = 1, 2
    np.testing.assert_array_equal(np.asarray(image.dataobj), names[voxels])


def test_a_mesh_of_a_mirrored_volume_faces_outwards(tmp_path: Path) -> None:
    file, _ = volume_file(tmp_path, np.diag([0.5, -0.5, 2.0, 1.0]), 2)
    (stack,) = read_stacks(file)
    structure = next(measure(stack))
    assert structure.mesh is not None
    write_mesh(tmp_path / "ball.ply", structure.mesh, 1)
    ball: Any = trimesh.load(tmp_path / "ball.ply")
    assert ball.volume > 0
