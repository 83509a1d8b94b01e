"""What is given in part, or belongs to several things: told apart, said, or refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.importing.convert import ConvertRequest, convert
from fewshot.importing.datasets import TrainingFiles, read_training
from fewshot.importing.slices import ImportOptions
from fewshot.masks.coco import read_coco
from tests.slices.sources.test_dicom import ct, save

BODY = np.zeros((24, 24, 4), np.uint8)
BODY[6:14, 6:14] = 1


def volumes(
    folder: Path, names: Iterable[str], labels: Path | None = None, shift: float = 0
) -> None:
    """Write volumes with a bright body, on one grid or each elsewhere, and label volumes."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        affine = np.diag([-1.0, -1.0, 3.0, 1.0])
        affine[2, 3] = number * shift
        voxels = (BODY * 100 + number).astype(np.int16)
        nibabel.save(nibabel.nifti1.Nifti1Image(voxels, affine), folder / f"{name}.nii.gz")
        if labels is not None:
            labels.mkdir(exist_ok=True)
            case = name.removesuffix("_0000")
            nibabel.save(nibabel.nifti1.Nifti1Image(BODY, affine), labels / f"{case}.nii.gz")


def pictures(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.fromarray(BODY[..., 0] * 200).save(folder / f"{name}.png")


def converted(out: Path, images: Path, *, labels: Path | None = None, **given: Any) -> Any:
    groups = given.pop("groups", None)
    request = ConvertRequest(images, labels, groups, labels is None, 0.3, 0, ImportOptions(**given))
    return convert(request, out)["found"]


def sides(out: Path) -> list[set[str | None]]:
    return [{one.group for one in read_coco(out / part).records} for part in (TRAIN, VALIDATION)]


def test_a_table_of_volumes_keeps_patients_together(tmp_path: Path) -> None:
    names = [f"g_{patient}{scan}_0000" for patient in "abcd" for scan in range(3)]
    volumes(tmp_path / "i", names, tmp_path / "l")
    rows = "\n".join(f"{name}.nii.gz,{name[2]}" for name in names)
    write_text(tmp_path / "g.csv", f"image,patient\n{rows}\n")
    found = converted(
        tmp_path / "o", tmp_path / "i", labels=tmp_path / "l", groups=tmp_path / "g.csv"
    )
    train, validation = sides(tmp_path / "o")
    assert train | validation == set("abcd")
    assert not train & validation
    assert found["notes"][0].startswith("groups: 4 by ")
    assert "12 of 12 rows used" in found["notes"][0]


def test_patients_are_guessed_from_file_names_unless_switched_off(tmp_path: Path) -> None:
    names = [f"patient{one}_slice{place:03d}" for one in (1, 2, 3) for place in (4, 5, 6)]
    pictures(tmp_path / "i", names)
    pictures(tmp_path / "l", names)
    files = TrainingFiles(tmp_path / "i", tmp_path / "l")
    parts = read_training(files, 0.3, 0)
    groups = [{one.group for one in parts[part].records} for part in (TRAIN, VALIDATION)]
    assert not groups[0] & groups[1]
    assert groups[0] | groups[1] == {"patient1", "patient2", "patient3"}
    off = read_training(TrainingFiles(tmp_path / "i", tmp_path / "l", Path("none")), 0.3, 0)
    assert {one.group for one in off[TRAIN].records} == {None}
    assert len(off[VALIDATION]) == 3


def test_volumes_of_one_patient_are_guessed_too(tmp_path: Path) -> None:
    names = [f"sub-0{one}_ses-{scan}" for one in (1, 2, 3) for scan in (1, 2)]
    volumes(tmp_path / "i", names, tmp_path / "l", shift=1.0)
    found = converted(tmp_path / "o", tmp_path / "i", labels=tmp_path / "l")
    train, validation = sides(tmp_path / "o")
    assert not train & validation
    assert train | validation == {"sub-01", "sub-02", "sub-03"}
    assert "3 patients guessed from names of volumes" in found["notes"][0]


CASES = [f"BRATS_00{case}_000{channel}" for case in (1, 2, 3) for channel in range(4)]
WORDS = [f"Case_00{case}_{word}" for case in (1, 2) for word in ("flair", "t1", "t1ce")]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (CASES, "12 files are 3 cases of 4 channels (0000, 0001, 0002, 0003); say which to"),
        (CASES[:4], "4 files are 1 case of 4 channels"),
        (WORDS, "6 files are 2 cases of 3 channels (flair, t1, t1ce); say which to read"),
    ],
)
def test_channels_of_a_case_are_no_patients(tmp_path: Path, names: list[str], said: str) -> None:
    volumes(tmp_path / "i", names)
    with pytest.raises(InputError) as caught:
        converted(tmp_path / "o", tmp_path / "i")
    assert said in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_one_channel_or_all_can_be_read(tmp_path: Path) -> None:
    volumes(tmp_path / "i", CASES)
    volumes(tmp_path / "x", [f"BRATS_00{case}_0000" for case in (1, 2, 3)], tmp_path / "l")
    found = converted(tmp_path / "o", tmp_path / "i", labels=tmp_path / "l", channel="0002")
    assert list(found["volumes"]) == [f"BRATS_00{case}_0002" for case in (1, 2, 3)]
    assert "channel 0002 of 3 cases; 9 files of other channels are not read" in str(found["notes"])
    assert len(read_coco(tmp_path / "o" / UNLABELLED)) == 0
    found = converted(tmp_path / "a", tmp_path / "i", labels=tmp_path / "l", channel="all")
    assert (len(found["volumes"]), found["groups"], found["labelled"]) == (12, 3, 48)
    train, validation = sides(tmp_path / "a")
    assert not train & validation
    for channel, said in (("0007", "no file ends in it"), ("0003", "'BRATS_003' have none")):
        (tmp_path / "i" / "BRATS_003_0003.nii.gz").unlink(missing_ok=True)
        with pytest.raises(InputError, match=said):
            converted(tmp_path / "b", tmp_path / "i", channel=channel)


@pytest.mark.parametrize(
    ("names", "shift"),
    [
        (["scan_0001", "scan_0002", "scan_0003"], 0),
        (["p1_0000", "p2_0000"], 0),
        ([f"{case}_000{scan}" for case in "ab" for scan in range(2)], 2.5),
        (["left_lung", "right_lung"], 0),
    ],
)
def test_scans_with_numbers_are_no_channels(tmp_path: Path, names: list[str], shift: float) -> None:
    volumes(tmp_path / "i", names, shift=shift)
    assert len(converted(tmp_path / "o", tmp_path / "i")["volumes"]) == len(names)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["preview.png"], "2 DICOM files ('0.dcm', '1.dcm') and 1 image file ('preview.png')"),
        (["old.nii.gz"], "2 DICOM files ('0.dcm', '1.dcm') and 1 NIfTI file ('old.nii.gz')"),
        (["a.npy", "a.png"], "2 DICOM files"),
    ],
)
def test_a_folder_of_two_kinds_is_refused(tmp_path: Path, others: list[str], said: str) -> None:
    folder = tmp_path / "ct"
    for index in range(2):
        save(ct(index), folder / f"{index}.dcm")
    for other in others:
        if other.endswith("png"):
            pictures(folder, [other.removesuffix(".png")])
        elif other.endswith("npy"):
            np.save(folder / other, BODY)
        else:
            volumes(folder, [other.removesuffix(".nii.gz")])
    with pytest.raises(InputError, match="which are meant") as caught:
        converted(tmp_path / "o", folder)
    assert said in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_dicom_below_pictures_is_refused_and_other_files_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path / "cd", ["0", "1"])
    (tmp_path / "cd" / "notes.txt").write_text("x")
    (tmp_path / "cd" / "._0.png").write_text("x")
    pictures(tmp_path / "cd" / "more", ["2"])
    notes = converted(tmp_path / "o", tmp_path / "cd")["notes"]
    assert any("1 other file is not read: 'notes.txt'" in note for note in notes)
    assert any("1 file in sub-folders not read" in note for note in notes)
    save(ct(0), tmp_path / "cd" / "DICOM" / "IM0")
    with pytest.raises(InputError, match=r"1 DICOM file \('DICOM/IM0'\)"):
        converted(tmp_path / "p", tmp_path / "cd")


def test_one_volume_has_one_patient(tmp_path: Path) -> None:
    pictures(tmp_path / "i", [f"p{one}_{place:03d}" for one in (1, 2) for place in range(3)])
    with pytest.raises(InputError, match=r"slices are of 2 patients \('p1', 'p2'\)"):
        converted(tmp_path / "o", tmp_path / "i", spacing=(1, 1, 5))
    pictures(tmp_path / "k", ["1", "2"])
    write_text(tmp_path / "g.csv", "image,patient\n1,a\n2,b\n")
    with pytest.raises(InputError, match=r"slices are of 2 patients \('a', 'b'\)"):
        converted(tmp_path / "o", tmp_path / "k", groups=tmp_path / "g.csv", spacing=(1, 1, 5))
    pictures(tmp_path / "j", ["a1_x7", "b1_x7"])
    with pytest.raises(InputError, match="tells all slices apart"):
        converted(tmp_path / "o", tmp_path / "j", spacing=(1, 1, 5))


def test_volumes_of_the_only_patient_are_split_whole(tmp_path: Path) -> None:
    volumes(tmp_path / "i", ["a_0000", "b_0000", "c_0000"], tmp_path / "l")
    write_text(tmp_path / "g.csv", "image,patient\na,x\nb,x\nc,x\n")
    with pytest.raises(InputError, match="all 12 slices belong to group 'x'"):
        converted(tmp_path / "o", tmp_path / "i", labels=tmp_path / "l", groups=tmp_path / "g.csv")
    for number in range(3):
        for index in range(2):
            place = {"SeriesInstanceUID": f"1.2.{number}", "StudyInstanceUID": "1.2"}
            save(ct(index, **place), tmp_path / "d" / f"{number}{index}.dcm")
    (tmp_path / "m").mkdir()
    label = np.zeros((40, 64), np.uint8)
    label[5:9, 5:9] = 1
    for number in range(3):
        for index in range(2):
            Image.fromarray(label).save(tmp_path / "m" / f"pt_7_{number + 1}_{index:04d}.png")
    converted(tmp_path / "p", tmp_path / "d", labels=tmp_path / "m")
    parts = [read_coco(tmp_path / "p" / part).records for part in (TRAIN, VALIDATION)]
    assert not {one.volume for one in parts[0]} & {one.volume for one in parts[1]}


def test_labels_of_two_kinds_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "i", ["0", "1"])
    pictures(tmp_path / "l", ["0"])
    np.save(tmp_path / "l" / "1.npy", BODY[..., 0])
    with pytest.raises(InputError, match=r"l: holds 1 NumPy file \('1.npy'\) and 1 image file"):
        converted(tmp_path / "o", tmp_path / "i", labels=tmp_path / "l")


def test_other_contrasts_of_validation_slices_are_not_learnt_from(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    label = np.zeros((40, 64), np.uint8)
    label[5:9, 5:9] = 1
    for patient in range(3):
        for echo in (1, 2):
            for index in range(2):
                place = {"PatientID": f"A{patient}", "SeriesInstanceUID": f"1.2.{patient}"}
                file = tmp_path / "d" / f"{patient}{echo}{index}.dcm"
                save(ct(index, **place, EchoTime=40 * echo), file)
    converted(tmp_path / "n", tmp_path / "d")
    names = sorted(one.name for one in (tmp_path / "n" / "images").iterdir())
    for name in names:
        if int(name.rsplit("_", 2)[1]) % 2:
            Image.fromarray(label).save(tmp_path / "m" / name)
    converted(tmp_path / "o", tmp_path / "d", labels=tmp_path / "m")
    parts = {one: read_coco(tmp_path / "o" / one).records for one in (VALIDATION, UNLABELLED)}
    held = {one.group for one in parts[VALIDATION]}
    assert len(held) == 1
    assert not held & {one.group for one in parts[UNLABELLED]}
    assert len(parts[UNLABELLED]) == 4


@pytest.mark.parametrize("tilt", [0.0, 25.0])
def test_a_series_keeps_its_volume_through_every_form(tmp_path: Path, tilt: float) -> None:
    from fewshot.export.nifti import write_volumes
    from fewshot.masks.merge import MergeRule
    from fewshot.volume.measure import measure
    from fewshot.volume.read_stacks import read_stacks

    cosine, sine = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    label = np.zeros((40, 64), np.uint8)
    label[5:25, 10:40] = 1
    (tmp_path / "l").mkdir()
    for index in range(6):
        place = {
            "ImageOrientationPatient": [1, 0, 0, 0, f"{cosine:.6f}", f"{sine:.6f}"],
            "ImagePositionPatient": [-10, -20, 4 * index],
            "PixelSpacing": [0.8, 0.7],
        }
        save(ct(index, **place), tmp_path / "d" / f"{index}.dcm")
    converted(tmp_path / "n", tmp_path / "d")
    for one in (tmp_path / "n" / "images").iterdir():
        Image.fromarray(label).save(tmp_path / "l" / one.name)
    request = ConvertRequest(
        tmp_path / "d", tmp_path / "l", None, True, 0.2, 0, ImportOptions(structures=True)
    )
    convert(request, tmp_path / "o")
    slices = read_coco(tmp_path / "o" / "test.json")
    (tmp_path / "e").mkdir()
    write_volumes(tmp_path / "e", slices, MergeRule(0.0))
    for path in (tmp_path / "o" / "test.json", tmp_path / "e"):
        (stack,) = read_stacks(path)
        (found,) = measure(stack)
        true = 20 * 30 * 0.8 * 0.7 * 6 * 4 * cosine
        assert found.figures.voxels_mm3 == pytest.approx(true, rel=1e-3)
