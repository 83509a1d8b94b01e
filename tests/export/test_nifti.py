"""Labels that were cut from a volume and exported again are the volume."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.export.nifti import write_volumes
from fewshot.masks.coco import SliceSet, Volume
from fewshot.masks.merge import MergeRule

Labels = NDArray[np.int16]
Cut = Callable[..., SliceSet]

RULE = MergeRule(score_threshold=0.0)
STRAIGHT = np.array([[0.75, 0, 0, -90.5], [0, 0.75, 0, 11.25], [0, 0, 3, 94.5], [0, 0, 0, 1]])
# Left to right and back to front, as many scanners store it.
FLIPPED = STRAIGHT @ np.diag([-1, -1, 1, 1])
UPSIDE_DOWN = STRAIGHT @ np.diag([1, -1, -1, 1])
PERMUTED = STRAIGHT[:, [2, 0, 1, 3]]
OBLIQUE = np.array(
    [[0.9, -0.2, 0.1, 5], [0.25, 0.95, -0.15, -7], [-0.1, 0.1, 2.5, 3], [0, 0, 0, 1.0]]
)
AFFINES = {
    "straight": STRAIGHT,
    "flipped": FLIPPED,
    "upside down": UPSIDE_DOWN,
    "permuted": PERMUTED,
    "oblique": OBLIQUE,
}


@pytest.fixture(scope="module")
def nested() -> Labels:
    """Boxes within boxes: on every slice along every axis the ids follow the areas."""
    labels = np.zeros((20, 24, 28), np.int16)
    labels[1:18, 1:22, 1:26] = 1
    labels[3:11, 4:12, 5:14] = 2
    labels[4:7, 7:10, 8:12] = 3
    return labels


@pytest.fixture(scope="module")
def arbitrary() -> Labels:
    """Blocks with ids of any size in any order, some slices without any."""
    rng = np.random.default_rng(3)
    ids = np.array([0, 0, 7, 3, 250, 11, 4000, 2])
    labels = np.kron(rng.choice(ids, (5, 6, 7)), np.ones((4, 4, 4), int)).astype(np.int16)
    labels[:, :, :4] = labels[:, :3] = labels[:2] = 0
    return labels


def voxels_of(file: Path) -> Labels:
    image: Any = nibabel.load(file)
    return np.asarray(image.dataobj)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_labels_come_back_voxel_for_voxel(
    cut: Cut, nested: Labels, tmp_path: Path, axis: int, affine: NDArray[Any]
) -> None:
    (file,) = write_volumes(tmp_path, cut(nested, axis, affine), RULE)
    image: Any = nibabel.load(file)
    assert (file.name, image.get_data_dtype()) == ("ct.nii.gz", np.int16)
    np.testing.assert_array_equal(np.asarray(image.dataobj), nested)
    np.testing.assert_array_equal(image.affine, affine.astype(np.float32))
    assert image.header.get_xyzt_units()[0] == "mm"
    # Tools that read the other of the two geometries see the same one.
    assert np.allclose(image.get_qform(), affine, atol=1e-4) or affine is OBLIQUE


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_labels_come_back_renamed_slice_by_slice(
    cut: Cut, arbitrary: Labels, tmp_path: Path, axis: int
) -> None:
    (file,) = write_volumes(tmp_path, cut(arbitrary, axis, FLIPPED), RULE)
    back = voxels_of(file)
    for index in range(arbitrary.shape[axis]):
        true, found = arbitrary.take(index, axis), back.take(index, axis)
        np.testing.assert_array_equal(true > 0, found > 0)
        pairs = set(zip(true.ravel().tolist(), found.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(true)) == len(np.unique(found))


@given(
    ids=arrays(np.int16, (3, 4, 5), elements=st.integers(0, 300)),
    axis=st.integers(0, 2),
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    sizes=st.tuples(*[st.floats(0.01, 50)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
@settings(max_examples=60, deadline=None)
def test_every_arrangement_of_a_volume_comes_back(
    cut: Cut,
    ids: Labels,
    axis: int,
    order: list[int],
    flips: tuple[int, int, int],
    sizes: tuple[float, float, float],
    origin: tuple[float, float, float],
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.multiply(flips, sizes))[:, order]
    affine[:3, 3] = origin
    with tempfile.TemporaryDirectory() as folder:
        (file,) = write_volumes(Path(folder), cut(ids, axis, affine), RULE)
        image: Any = nibabel.load(file)
        back = np.asarray(image.dataobj)
    np.testing.assert_array_equal(image.affine, affine.astype(np.float32))
    np.testing.assert_array_equal(back > 0, ids > 0)
    for index in range(ids.shape[axis]):
        true, found = ids.take(index, axis), back.take(index, axis)
        pairs = set(zip(true.ravel().tolist(), found.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(true)) == len(np.unique(found))


def test_slices_that_are_missing_stay_zero(cut: Cut, nested: Labels, tmp_path: Path) -> None:
    (file,) = write_volumes(tmp_path, cut(nested, 2, STRAIGHT, keep=[4, 9]), RULE)
    back = voxels_of(file)
    assert np.flatnonzero(back.any(axis=(0, 1))).tolist() == [4, 9]
    np.testing.assert_array_equal(back[:, :, [4, 9]], nested[:, :, [4, 9]])


def test_the_same_masks_give_the_same_bytes(cut: Cut, nested: Labels, tmp_path: Path) -> None:
    slices = cut(nested, 1, FLIPPED)
    first, second = ((tmp_path / name) for name in "ab")
    for folder in (first, second):
        folder.mkdir()
        write_volumes(folder, slices, RULE)
    assert (first / "ct.nii.gz").read_bytes() == (second / "ct.nii.gz").read_bytes()


def with_volumes(slices: SliceSet, *names: str) -> SliceSet:
    """The same slices, of which the first ones come from the volumes of these names."""
    volume = slices.volumes["ct"]
    records = tuple(
        replace(record, volume=name) for record, name in zip(slices.records, names, strict=False)
    )
    return replace(slices, records=records, masks={}, volumes=dict.fromkeys(names, volume))


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a", "b"], ["a.nii.gz", "b.nii.gz"]),
        (["ct.nii.gz"], ["ct.nii.gz"]),
        (["site 1/ct.nii"], ["site_1_ct.nii.gz"]),
        (["../../etc/passwd"], ["_.._etc_passwd.nii.gz"]),
        (["1.2.840.113"], ["1.2.840.113.nii.gz"]),
        (["..."], ["volume.nii.gz"]),
    ],
)
def test_files_are_named_after_their_volumes_and_stay_in_the_folder(
    cut: Cut, nested: Labels, tmp_path: Path, names: list[str], files: list[str]
) -> None:
    slices = with_volumes(cut(nested, 2, STRAIGHT), *names)
    assert write_volumes(tmp_path, slices, RULE) == [tmp_path / file for file in files]
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_what_no_volume_can_hold_is_refused(cut: Cut, nested: Labels, tmp_path: Path) -> None:
    slices = cut(nested, 2, STRAIGHT)

    def with_shape(*shape: int) -> SliceSet:
        volume = slices.volumes["ct"]
        sides: Any = shape
        return replace(slices, volumes={"ct": Volume(sides, 2, volume.affine, "ct")})

    turned = with_shape(24, 20, 28)  # the sides of every slice swapped
    for bad, words in [
        (replace(slices, records=(), masks={}), "no slice came from a volume"),
        (with_shape(20, 24, 40_000), "a NIfTI side has at most 32767"),
        (with_shape(20, 24, 30_000), "the limit is 1000000, which --max-voxels raises"),
        (turned, "image 0: is 24 x 20, which does not lie in volume 'ct'"),
        (with_volumes(slices, "a/b", "a b"), "'a/b' and 'a b' would both be 'a_b.nii.gz'"),
    ]:
        with pytest.raises(InputError) as error:
            write_volumes(tmp_path, bad, RULE, max_voxels=1_000_000)
        assert words in str(error.value)
    assert not list(tmp_path.iterdir())
