"""DICOM series as volumes: noise is none, gaps stay, acquisitions stay apart, and all is said."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.sources.dicom import DicomSeries
from fewshot.slices.volume import grid_of
from tests.slices.sources.test_dicom import ct, save

AXIAL = [1, 0, 0, 0, 1, 0]


def series(
    folder: Path,
    count: int = 10,
    step: float = 5.0,
    change: Callable[[int], dict[str, Any]] = lambda index: {},
    skip: Sequence[int] = (),
) -> DicomSeries:
    """Write slices `step` mm apart, each changed by its index, and read them."""
    for index in range(count):
        if index not in skip:
            place = {"ImagePositionPatient": [-10, -20, step * index], "PixelSpacing": [0.5, 0.5]}
            save(ct(index, **{**place, **change(index)}), folder / f"{index:03d}.dcm")
    return DicomSeries(folder)


def turned(index: int) -> dict[str, Any]:
    angle = 0.0005 + (1e-6 if index % 2 else -1e-6)
    sine, cosine = np.sin(angle), np.cos(angle)
    return {"ImageOrientationPatient": [cosine, sine, 0, -sine, cosine, 0]}


def jitter(share: float) -> Callable[[int], dict[str, Any]]:
    return lambda index: {
        "ImagePositionPatient": [-10, -20, 5 * index + (5 * share if index % 3 == 1 else 0)]
    }


# What is changed, which slices are left out, the slices of the volume, what is said.
VOLUMES: list[tuple[Callable[[int], dict[str, Any]], Sequence[int], int, str]] = [
    (lambda index: {}, (), 10, ""),
    (turned, (), 10, ""),
    (lambda index: {"PixelSpacing": [["0.488281", "0.48828125"][index % 2]] * 2}, (), 10, ""),
    (jitter(0.03), (), 10, "positions differ by up to 0.15 mm"),
    (jitter(0.08), (), 10, "positions differ by up to 0.4 mm"),
    (lambda index: {}, (4,), 10, "1 slice is missing: 003.dcm and 005.dcm lie 10 mm apart, the"),
    (lambda index: {}, (4, 5, 8), 10, "3 slices are missing: 003.dcm and 006.dcm, 007.dcm and 0"),
    (jitter(0.03), (2,), 10, "1 slice is missing"),
    # Every slice an acquisition of its own, and a table that moved down half-way.
    (lambda index: {"AcquisitionNumber": index}, (), 10, ""),
    (lambda index: {"AcquisitionNumber": 1 + index // 5}, (), 10, ""),
]


@pytest.mark.parametrize(("change", "skip", "slices", "said"), VOLUMES)
def test_flaws_of_a_series_leave_one_volume(
    tmp_path: Path,
    change: Callable[[int], dict[str, Any]],
    skip: Sequence[int],
    slices: int,
    said: str,
) -> None:
    source = series(tmp_path, change=change, skip=skip)
    (volume,) = source.volumes.values()
    assert volume.shape[2] == slices
    assert grid_of(np.array(volume.affine)[:3, [2, 1, 0]]).step == pytest.approx(5, rel=1e-3)
    assert [item.index for item in source.slices] == [n for n in range(10) if n not in skip]
    assert said in "\n".join(source.warnings)
    assert bool(said) == bool(source.warnings)
    groups, note = source.notes
    assert groups == "1 patient, told by PatientID"
    assert f"{10 - len(skip)} slices, " in note
    assert "mm apart" in note


# What is changed, and what is said of the volume that there is none of.
NONE: list[tuple[Callable[[int], dict[str, Any]], str]] = [
    (jitter(0.5), r"slices lie 2.5 mm \(001.dcm and 002.dcm\) to 7.5 mm \(000.dcm and 001.dcm\)"),
    (
        lambda index: {"ImagePositionPatient": [-10, -20, 5 * index + 2 * (index > 6)]},
        r"006.dcm and 007.dcm lie 7 mm apart, most others 5",
    ),
    (
        lambda index: {"PixelSpacing": [0.5, 0.6 if index == 7 else 0.5]},
        r"pixels are 0.5 x 0.5 mm in 000.dcm and 0.5 x 0.6 in 007.dcm",
    ),
    (
        lambda index: {"ImageOrientationPatient": [1, 0, 0, 0, 0.99995, 0.01 * (index == 3)]},
        r"003.dcm is turned by 0.573 degrees against 000.dcm",
    ),
    (
        lambda index: {"ImagePositionPatient": [-10 + 3 * (index == 5), -20, 5 * index]},
        r"005.dcm lies 2.\d+ mm beside the line of the others",
    ),
    (lambda index: {"PixelSpacing": None} if index == 2 else {}, "002.dcm has no usable PixelSpa"),
    (
        lambda index: {"ImagePositionPatient": None} if index == 2 else {},
        "002.dcm has no usable ImagePositionPatient",
    ),
]


@pytest.mark.parametrize(("change", "said"), NONE)
def test_why_there_is_no_volume_is_said(
    tmp_path: Path, change: Callable[[int], dict[str, Any]], said: str
) -> None:
    source = series(tmp_path, change=change)
    assert not source.volumes
    assert len(source.slices) == 10
    (warning,) = source.warnings
    assert warning.startswith("pt_7_1: 10 slices, no volume: ")
    assert re.search(said, warning), warning


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    tilt=st.floats(-30, 30),
    noise=st.sampled_from([0, 1e-6, 1e-5, 1e-4]),
    step=st.floats(0.5, 8),
    sides=st.tuples(st.floats(0.3, 2), st.floats(0.3, 2)),
)
def test_any_direction_tilt_and_noise_is_one_volume_of_the_right_size(
    tmp_path_factory: pytest.TempPathFactory,
    angles: tuple[float, float, float],
    tilt: float,
    noise: float,
    step: float,
    sides: tuple[float, float],
) -> None:
    from scipy.spatial.transform import Rotation

    folder = tmp_path_factory.mktemp("series")
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    lean = np.deg2rad(tilt)
    way = turn @ [0, step * np.sin(lean), step * np.cos(lean)]
    rng = np.random.default_rng(0)
    for index in range(6):
        directions = turn[:, :2].T.ravel() + rng.uniform(-noise, noise, 6)
        save(
            ct(
                index,
                ImageOrientationPatient=[f"{one:.7f}" for one in directions],
                ImagePositionPatient=[f"{one:.5f}" for one in way * index],
                PixelSpacing=[f"{one:.6f}" for one in sides],
            ),
            folder / f"{index}.dcm",
        )
    source = DicomSeries(folder)
    (volume,) = source.volumes.values()
    true = sides[0] * sides[1] * step * np.cos(lean)
    assert abs(np.linalg.det(np.array(volume.affine)[:3, :3])) == pytest.approx(true, rel=1e-3)
    assert [item.index for item in source.slices] == list(range(6))


def test_a_few_slices_far_apart_are_no_volume(tmp_path: Path) -> None:
    source = series(tmp_path, count=40, skip=range(2, 38))
    assert not source.volumes
    assert "001.dcm and 038.dcm lie 185 mm apart, most others 5: more slices" in source.warnings[0]


def test_masks_and_doses_are_no_pictures(tmp_path: Path) -> None:
    save(ct(0), tmp_path / "a.dcm")
    save(ct(0, Modality="SEG"), tmp_path / "b.dcm")
    source = DicomSeries(tmp_path)
    assert len(source.slices) == 1
    assert "1 of 2 DICOM files hold no pictures ('b.dcm')" in source.notes[0]


def twice(folder: Path, **second: Any) -> DicomSeries:
    """Two runs over the same five places in one series."""
    for index in range(5):
        place = {"ImagePositionPatient": [0, 0, 3 * index]}
        save(ct(index, **place), folder / f"a{index}.dcm")
        save(ct(index, **place, InstanceNumber=100 + index, **second), folder / f"b{index}.dcm")
    return DicomSeries(folder)


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("EchoTime", 80),
        ("EchoNumbers", 2),
        ("AcquisitionNumber", 2),
        ("TemporalPositionIdentifier", 2),
        ("TriggerTime", 500),
        ("ImageType", ["ORIGINAL", "PRIMARY", "PHASE"]),
        ("ConvolutionKernel", "B70"),
    ],
)
def test_acquisitions_of_one_series_are_told_apart(
    tmp_path: Path, element: str, value: Any
) -> None:
    source = twice(tmp_path, **{element: value})
    assert [volume.shape[2] for volume in source.volumes.values()] == [5, 5]
    assert {item.group for item in source.slices} == {"pt_7"}
    for name in source.volumes:
        files = [item.key[0].name[0] for item in source.slices if item.volume == name]
        assert len(set(files)) == 1
    assert all(f"told apart by {element}" in note for note in source.notes[1:])


def test_acquisitions_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\d.dcm and .*b\d.dcm: lie at one place"):
        twice(tmp_path)
    source = DicomSeries(tmp_path, skip_bad=True)
    assert not source.slices
    assert "lie at one place" in source.skipped[0].reason


def test_interleaved_acquisitions_stay_apart(tmp_path: Path) -> None:
    source = series(tmp_path, step=2.5, change=lambda index: {"AcquisitionNumber": 1 + index % 2})
    assert [volume.shape[2] for volume in source.volumes.values()] == [5, 5]
    assert all("5 mm apart" in note for note in source.notes[1:])


def test_a_copy_of_a_file_is_passed_over_and_named(tmp_path: Path) -> None:
    series(tmp_path)
    shutil.copy(tmp_path / "004.dcm", tmp_path / "004 copy.dcm")
    source = DicomSeries(tmp_path)
    assert len(source.slices) == 10
    (warning,) = source.warnings
    assert "holds the slice of" in warning
    assert not source.skipped
    assert len(source.volumes) == 1


@pytest.mark.filterwarnings("ignore:The value length")
def test_patients_are_told_apart_whatever_their_ids(tmp_path: Path) -> None:
    for letter in "AB":
        for index in range(3):
            elements = {"PatientID": "P" * 85 + letter, "SeriesInstanceUID": f"1.2.{ord(letter)}"}
            save(ct(index, **elements), tmp_path / f"{letter}{index}.dcm")
    # One series id for two patients, as bad pseudonyms make it.
    for letter in ("x y", "x_y"):
        for index in range(3):
            elements = {"PatientID": letter, "SeriesInstanceUID": "1.3"}
            save(ct(index, **elements), tmp_path / f"{letter}{index}.dcm")
    source = DicomSeries(tmp_path)
    assert len(source.slices) == len({item.name for item in source.slices}) == 12
    assert len({item.group for item in source.slices}) == len(source.volumes) == 4


def test_without_patient_ids_a_study_is_a_patient(tmp_path: Path) -> None:
    for study in range(2):
        for number in range(2):
            for index in range(2):
                elements = {
                    "StudyInstanceUID": f"1.{study}",
                    "SeriesInstanceUID": f"1.2.{study}.{number}",
                }
                name = f"{study}{number}{index}.dcm"
                save(ct(index, **elements, PatientID=None), tmp_path / name)
    source = DicomSeries(tmp_path)
    assert len(source.volumes) == 4
    assert [item.group for item in source.slices] == ["patient"] * 4 + ["patient-2"] * 4


def test_a_slice_alone_is_as_thick_as_its_file_says(tmp_path: Path) -> None:
    source = DicomSeries(save(ct(0, SliceThickness=4), tmp_path / "thick" / "a.dcm"))
    (volume,) = source.volumes.values()
    assert volume.affine[2][2] == 4
    assert "1 slice, 4 mm thick" in source.notes[1]
    scout = ct(0, SliceThickness=650, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert "localizer" in DicomSeries(save(scout, tmp_path / "scout" / "a.dcm")).warnings[0]
    bare = DicomSeries(save(ct(0), tmp_path / "bare" / "a.dcm"))
    assert not bare.volumes
    assert "nothing says how thick" in bare.warnings[0]


def test_hidden_files_are_passed_over_and_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    save(ct(0), tmp_path / "000.dcm")
    (tmp_path / "._000.dcm").write_bytes(bytes(4096))
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "000.dcm").write_bytes(bytes(4096))
    bare = ct(1)
    del bare.file_meta
    bare.save_as(tmp_path / "IM0001", implicit_vr=False, little_endian=True)
    source = DicomSeries(tmp_path)
    assert len(source.slices) == 2
    assert not source.skipped


@pytest.mark.parametrize(
    ("patient", "folders", "groups", "told"),
    [
        ("", True, 2, "2 patients, told by folder"),
        ("ANONYMOUS", True, 2, "2 patients, told by folder"),
        ("0000", False, 2, "2 patients, told by study"),
        ("A7", True, 1, "1 patient, told by PatientID"),
    ],
)
def test_ids_that_were_taken_out_are_no_patient(
    tmp_path: Path, patient: str, folders: bool, groups: int, told: str
) -> None:
    for study in range(2):
        for index in range(2):
            elements = {"StudyInstanceUID": f"1.{study + 1}", "SeriesInstanceUID": f"1.3.{study}"}
            place = f"s{study}/{index}.dcm" if folders else f"{study}{index}.dcm"
            save(ct(index, **elements, PatientID=patient), tmp_path / place)
    source = DicomSeries(tmp_path)
    assert len({item.group for item in source.slices}) == groups
    assert source.notes[0].startswith(told)


def test_what_splits_a_series_is_said(tmp_path: Path) -> None:
    def change(index: int) -> dict[str, Any]:
        if index == 9:
            return {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
        return {"Rows": 20} if index == 8 else {}

    source = series(tmp_path, change=change)
    assert [volume.shape[2] for volume in source.volumes.values()] == [8]
    told = "told apart by Rows, Columns, ImageOrientationPatient"
    assert all(told in line for line in [*source.notes[1:], *source.warnings])
