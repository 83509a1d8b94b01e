"""NIfTI volumes: every form comes out upright and in its own units, bad ones as one clear error."""

import gzip
import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.remarks import collecting
from fewshot.slices.sources import nifti
from fewshot.slices.sources.nifti import NiftiVolume, NiftiVolumes
from fewshot.slices.window import Window

SHAPE = (5, 6, 7)
VOXELS = np.random.default_rng(0).integers(-1000, 2000, SHAPE).astype(np.int16)
AFFINE = np.array([[-0.7, 0, 0, 90], [0, 0.8, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])


def save(path: Path, voxels: Any = VOXELS, slope: float = 1, inter: float = 0) -> Path:
    image = nibabel.nifti1.Nifti1Image(voxels, AFFINE)
    image.header.set_slope_inter(slope, inter)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize(
    ("axis", "count", "shape", "spacing", "first"),
    [
        ("axial", 7, (6, 5), (0.8, 0.7), VOXELS[:, ::-1, 0].T),
        ("coronal", 6, (7, 5), (3, 0.7), VOXELS[:, 0, ::-1].T),
        ("sagittal", 5, (7, 6), (3, 0.8), VOXELS[0, ::-1, ::-1].T),
        ("2", 7, (6, 5), (0.8, 0.7), VOXELS[:, ::-1, 0].T),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_slices_are_upright_with_spacing_and_position(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    axis: str,
    count: int,
    shape: tuple[int, int],
    spacing: tuple[float, float],
    first: Any,
    held: bool,
) -> None:
    if not held:
        monkeypatch.setattr(nifti, "allowed_bytes", lambda _read: 0)
    source = NiftiVolumes(save(tmp_path / name), axis)
    assert len(source.slices) == count
    item = source.slices[0]
    assert (item.name, item.group, item.volume, item.index) == ("ct_0000.png", "ct", "ct", 0)
    assert item.spacing == pytest.approx(spacing)
    np.testing.assert_array_equal(source.values(item), first)
    if axis == "axial":
        assert [one.position for one in source.slices[:2]] == [5, 8]
    picture = source.picture(item, Window(0, 1000))
    assert picture is not None
    assert picture.shape == shape
    assert source.picture(item, None) is None


def test_scale_and_intercept_are_applied(tmp_path: Path) -> None:
    voxels = np.arange(210).reshape(SHAPE).astype(np.int16)
    image = nibabel.nifti1.Nifti1Image(voxels, AFFINE)
    image.header.set_slope_inter(2, -1024)
    image.header.set_data_dtype(np.int16)
    path = tmp_path / "a.nii"
    nibabel.save(image, path)
    expected = np.asarray(nibabel.load(path).dataobj)[:, ::-1, 3].T  # type: ignore[attr-defined]
    np.testing.assert_allclose(NiftiVolume(path).values(3), expected)


def test_a_folder_of_volumes_is_groups(tmp_path: Path) -> None:
    for name in ("p10.nii", "p9.nii.gz"):
        save(tmp_path / name)
    source = NiftiVolumes(tmp_path)
    assert [item.group for item in source.slices] == ["p9"] * 7 + ["p10"] * 7
    assert list(source.volumes) == ["p9", "p10"]
    assert source.volumes["p9"].shape == SHAPE


def test_one_time_point_is_a_volume_and_several_are_not(tmp_path: Path) -> None:
    assert len(NiftiVolume(save(tmp_path / "one.nii", VOXELS[..., None]))) == 7
    np.testing.assert_array_equal(NiftiVolume(tmp_path / "one.nii").values(0), VOXELS[:, ::-1, 0].T)
    with pytest.raises(InputError, match=r"two\.nii: has shape \(5, 6, 7, 2\)"):
        NiftiVolume(save(tmp_path / "two.nii", np.stack([VOXELS] * 2, axis=-1)))


def absurd(path: Path, shape: tuple[int, int, int]) -> None:
    """Write the header of a volume far larger than the file."""
    header = nibabel.nifti1.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = header.binaryblock + bytes(5000)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("shape", "message"),
    [((32767,) * 3, "pixels are more than the limit"), ((1000, 1000, 900), "cut short")],
)
def test_absurd_shapes(
    tmp_path: Path, name: str, shape: tuple[int, int, int], message: str
) -> None:
    absurd(tmp_path / name, shape)
    with pytest.raises(InputError, match=message) as caught:
        NiftiVolume(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), packed=st.booleans())
def test_broken_bytes_give_slices_or_an_input_error(
    tmp_path: Path, data: st.DataObject, packed: bool
) -> None:
    path = save(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 351))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    if packed:
        path = path.with_suffix(".nii.gz")
        whole = gzip.compress(bytes(content))
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    else:
        path.write_bytes(content)
    try:
        source = NiftiVolumes(path)
        for item in source.slices[:2]:
            assert source.values(item).ndim == 2
        message = str(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message


def test_the_real_volume(abdomen: Path) -> None:
    for axis, count, shape in (
        ("axial", 112, (101, 122)),
        ("coronal", 101, (112, 122)),
        ("sagittal", 122, (112, 101)),
    ):
        source = NiftiVolumes(abdomen / "ct.nii.gz", axis)
        assert len(source.slices) == count
        assert source.values(source.slices[50]).shape == shape
        assert source.slices[50].spacing == pytest.approx((3, 3))
        positions = [one.position or math.nan for one in source.slices]
        assert np.allclose(np.diff(positions), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xyzt_units": 5}, "xyzt_units is 5; give mm, m or um"),
        ({"pixdim": [1, 0, 0.8, 3, 0, 0, 0, 0], "sform_code": 0, "qform_code": 0}, "voxels of 0 x"),
        ({"pixdim": [1, 1, 1, 1, 0, 0, 0, 0]}, "sform says voxels of 0.7 x 0.8 x 3, pixdim of 1"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = save(tmp_path / "a.nii")
    header = nibabel.nifti1.Nifti1Header(path.read_bytes()[:348])
    for key, value in change.items():
        header[key] = value
    path.write_bytes(header.binaryblock + path.read_bytes()[348:])
    with pytest.raises(InputError, match=message) as caught:
        NiftiVolume(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("third", [5.0, 5 * math.cos(math.radians(20))])
def test_both_ways_of_writing_the_step_of_a_tilted_gantry_are_read(
    tmp_path: Path, third: float
) -> None:
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    affine = [[-0.5, 0, 0, 0], [0, -0.5 * cosine, 0, 0], [0, -0.5 * sine, 5, 0], [0, 0, 0, 1]]
    image = nibabel.nifti1.Nifti1Image(VOXELS, np.array(affine))
    image.header["pixdim"][3] = third
    nibabel.save(image, tmp_path / "t.nii")
    volume = NiftiVolume(tmp_path / "t.nii").volume
    assert abs(np.linalg.det(np.array(volume.affine))) == pytest.approx(0.25 * 5 * cosine)


def test_the_range_that_a_header_tells_is_said_and_not_followed(tmp_path: Path) -> None:
    image = nibabel.nifti1.Nifti1Image(np.zeros((4, 5, 3), np.int16), np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = -160, 240
    nibabel.save(image, tmp_path / "a.nii")
    source = NiftiVolumes(tmp_path / "a.nii")
    with collecting() as remarks:
        assert source.picture(source.slices[0], None) is None
        assert source.picture(source.slices[0], Window(40, 400)) is not None
    assert [line.partition(" (")[0] for line in remarks.lines()] == [
        "cal_min and cal_max are not followed: --window 40/400"
    ]
