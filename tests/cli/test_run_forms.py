"""`fewshot run` on data of any form, by one command and without a settings file."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fewshot.config.load import parse_settings
from fewshot.files import read_json
from fewshot.masks.coco import read_coco
from fewshot.pipeline import data
from fewshot.run.layout import RunLayout
from fewshot.run.stages import StageRunner
from fewshot.slices.images import read_image
from fewshot.slices.window import Window, apply_window

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]
Make = Callable[[Path], list[str]]

COUNT, LABELLED, SIDE = 8, 6, 64
# What the headers of the series say of its patient, by their keywords.
PLANTED = {
    "PatientID": "MEIER-0815",
    "PatientName": "MEIER^ERIKA",
    "PatientBirthDate": "19640812",
    "StudyDate": "20250917",
    "AccessionNumber": "ACC-4711",
    "InstitutionName": "St Elsewhere",
    "ReferringPhysicianName": "HOUSE^GREGORY",
    "StudyDescription": "neck of ERIKA",
}
RADIOLOGISTS = ", ".join(
    f"{{name: {name}, iterations: 1, learning_rate: 0.001, score_threshold: 0.06}}"
    for name in ("rough", "fine")
)
TINY = (
    *("--device", "cpu", "--json", "--set", f"radiologists=[{RADIOLOGISTS}]"),
    *("--set", "final.iterations=1", "--set", "training.evaluation_period=0"),
    *("--set", "detector.max_masks=5", "--set", "detector.batch_size=1"),
)


def slices() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Hounsfield units and label ids of each slice, (COUNT, SIDE, SIDE); the last have no label."""
    noise = np.random.default_rng(0)
    units = noise.normal(0, 20, (COUNT, SIDE, SIDE))
    ids = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    for index in range(COUNT):
        ids[index, 8 + index : 28 + index, 10:30] = 1
        ids[index, 36:56, 30 + index : 50 + index] = 2
    units += np.where(ids == 1, 90, np.where(ids == 2, -60, 0))
    ids[LABELLED:] = 0
    return np.rint(units).astype(np.int16), ids


def grey(units: NDArray[np.int16]) -> NDArray[np.uint8]:
    return apply_window(units, Window(40, 400))


def _nifti(path: Path, stack: NDArray[Any]) -> None:
    voxels = np.ascontiguousarray(stack.transpose(2, 1, 0))
    nibabel.save(nibabel.nifti1.Nifti1Image(voxels, np.diag([-1.0, -1.0, 2.0, 1.0])), path)


def nifti(folder: Path) -> list[str]:
    units, ids = slices()
    _nifti(folder / "ct.nii.gz", units)
    _nifti(folder / "labels.nii.gz", ids)
    return [*("--images", "ct.nii.gz", "--labels", "labels.nii.gz"), "--window", "soft-tissue"]


def dicom(folder: Path) -> list[str]:
    """A series whose headers tell a patient, and label PNGs called as its files."""
    series, (units, ids) = generate_uid(), slices()
    (folder / "ct").mkdir()
    (folder / "masks").mkdir()
    for index in range(COUNT):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        for keyword, value in PLANTED.items():
            setattr(one, keyword, value)
        one.SeriesInstanceUID, one.InstanceNumber = series, index + 1
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.ImagePositionPatient, one.PixelSpacing = [0, 0, 2.5 * index], [1, 1]
        one.Rows = one.Columns = SIDE
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 1
        one.PixelData = units[index].tobytes()
        one.save_as(folder / "ct" / f"IM{index}.dcm", enforce_file_format=True)
        if index < LABELLED:
            Image.fromarray(ids[index]).save(folder / "masks" / f"IM{index}.png")
    return [*("--images", "ct", "--labels", "masks"), "--window", "40/400"]


def pngs(folder: Path) -> list[str]:
    units, ids = slices()
    (folder / "pictures").mkdir()
    for index in range(COUNT):
        Image.fromarray(grey(units[index])).save(folder / "pictures" / f"{index}.png")
        if index < LABELLED:
            Image.fromarray(ids[index]).save(folder / "pictures" / f"{index}_mask.png")
    return ["--images", "pictures"]


def coco(folder: Path) -> list[str]:
    """Slices of 16 bits, and polygons."""
    units, ids = slices()
    (folder / "deep").mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(COUNT):
        deep = (units[index].astype(np.int32) + 1000).astype(np.uint16)
        Image.fromarray(deep).save(folder / "deep" / f"s{index}.png")
        name = f"s{index}.png"
        images.append({"id": index + 1, "file_name": name, "height": SIDE, "width": SIDE})
        for one in np.unique(ids[index][ids[index] > 0]):
            rows, columns = np.nonzero(ids[index] == one)
            top, bottom = int(rows.min()), int(rows.max()) + 1
            left, right = int(columns.min()), int(columns.max()) + 1
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": 1,
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": "structure"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return ["--images", "deep", "--labels", "labels.json", "--window", "1040/400"]


@pytest.mark.slow
@pytest.mark.parametrize("make", [nifti, dicom, pngs, coco])
def test_a_run_of_one_command(
    make: Make, fewshot: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = fewshot("run", *make(tmp_path), "--out", "run", *TINY)
    assert code == 0, err
    metrics, run = json.loads(out), tmp_path / "run"
    assert metrics["answer"]["part"] == "validation"
    assert "of the validation slices, as there is no test set" in err
    assert "There is no test set:" in (run / "report.html").read_text()
    assert not (run / "data" / "test.json").exists()
    parts = {name: read_coco(run / "data" / f"{name}.json") for name in PARTS}
    assert {name: len(part) for name, part in parts.items()} == PARTS
    units, ids = slices()
    for part in parts.values():
        for record in part.records:
            # The labels are those of the slice that the picture is of.
            picture = read_image(part.path_of(record))
            found = [index for index in range(COUNT) if (grey(units[index]) == picture).all()]
            assert len(found) == 1
            label_map = part.masks_of(record.image_id).to_label_map()
            assert ((label_map > 0) == (ids[found[0]] > 0)).all()
    answered = read_coco(run / "merged" / "validation.json")
    with (run / "submission.csv").open() as file:
        header = next(csv.reader(file))
    assert header[1:] == [record.file_name for record in answered.records]
    assert not told_of_the_patient(run, out + err)
    assert read_json(run / "metrics.json") == metrics


PARTS = {"train": 5, "validation": 1, "unlabelled": 2}


def told_of_the_patient(run: Path, said: str) -> list[str]:
    """Return which planted words stand in any file of a run, in a name, or in what it said."""
    words = {part for value in PLANTED.values() for part in value.split("^")}
    found = [word for word in words if word in said]
    for path in run.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        text = path.relative_to(run).as_posix() + content.decode("latin-1")
        found += [f"{path}: {word}" for word in words if word in text]
    return found


@pytest.mark.slow
def test_the_challenges_form_with_options(fewshot: Call, work: Path) -> None:
    """The slices of a run are those that convert makes of the same files."""
    challenge = (
        *("--images", "X_train", "--labels", "Y_train.csv.gz", "--groups", "groups.csv"),
        *("--test", "X_test", "--test-labels", "Y_test.csv.gz"),
    )
    code, out, err = fewshot("run", *challenge, "--out", "new", *TINY)
    assert code == 0, err
    assert json.loads(out)["answer"]["part"] == "test"
    assert (work / "new" / "merged" / "test.json").is_file()
    assert not (work / "new" / "data" / "images").exists()
    for name in ("train", "validation", "unlabelled"):
        made, wanted = work / "new" / "data" / f"{name}.json", work / "data" / f"{name}.json"
        assert read_coco(made).records == read_coco(wanted).records


def test_another_window_renews_what_reads_the_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nifti(tmp_path)
    files = {"train_images": "ct.nii.gz", "train_labels": "labels.nii.gz"}
    before: dict[str, list[bytes]] = {}
    for window in ("40/400", "percentile"):
        layout = RunLayout(parse_settings({"data": {**files, "window": window}}), tmp_path / "run")
        [stage] = data.stages(layout)
        (tmp_path / "run").mkdir(exist_ok=True)
        assert stage.check is not None
        stage.check()
        assert not layout.pictures["data.train_images"].exists() or before
        StageRunner().run(stage)
        folder = layout.images["data.train_images"]
        assert folder == tmp_path / "run" / "data" / "images" / "train"
        before[window] = [path.read_bytes() for path in sorted(folder.iterdir())]
        assert len(before[window]) == COUNT
        assert StageRunner().why_run(stage) is None
    assert before["40/400"] != before["percentile"]


def test_test_slices_are_seen_through_the_window_of_training(tmp_path: Path) -> None:
    nifti(tmp_path)
    units, _ = slices()
    _nifti(tmp_path / "test.nii.gz", units[:3] * 4)
    files = {
        "train_images": tmp_path / "ct.nii.gz",
        "train_labels": tmp_path / "labels.nii.gz",
        "test_images": tmp_path / "test.nii.gz",
        "window": "minmax",
    }
    layout = RunLayout(parse_settings({"data": files}), tmp_path / "run")
    data.read_datasets(layout, write=True)
    window = Window((units.min() + units.max()) / 2, float(units.max() - units.min()))
    folder = layout.images["data.test_images"]
    seen = [read_image(path) for path in sorted(folder.iterdir())]
    for index, picture in enumerate(seen):
        assert (picture == apply_window(units[index] * 4, window)).all()


NIFTI = "--images ct.nii.gz --labels labels.nii.gz"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", ("--images", "--config")),
        ("--images X_train", ("X_train", "no labels are given", "--labels")),
        ("--images nowhere --labels Y_train.csv.gz", ("data.train_images", "nowhere", "no such")),
        (f"{NIFTI} --window belly", ("data.window", "'belly'", "soft-tissue")),
        (f"{NIFTI} --axis up", ("up", "axial")),
        (f"{NIFTI} --spacing 1", ("--spacing", "'1'")),
        (f"{NIFTI} --test-labels labels.nii.gz", ("test_labels without test_images",)),
        (f"{NIFTI} --test X_test", ("X_test", "32 x 32", "64 x 64")),
        ("--images ct.nii.gz --labels strange", ("strange", "nobody")),
        ("--images ct.nii.gz --labels empty.nii.gz", ("empty.nii.gz", "no labelled slices")),
        ("--images volumes --labels empties", ("empties", "no labelled slices")),
        ("--config nothing --images X_train", ("nothing", "built-in", "demo")),
    ],
)
def test_wrong_data(options: str, words: Iterable[str], refused: Refused, work: Path) -> None:
    nifti(work)
    _nifti(work / "empty.nii.gz", np.zeros((COUNT, SIDE, SIDE), np.uint8))
    for folder, source in (("volumes", "ct"), ("empties", "empty")):
        (work / folder).mkdir()
        for name in "ab":
            shutil.copy(work / f"{source}.nii.gz", work / folder / f"{name}.nii.gz")
    (work / "strange").mkdir()
    Image.fromarray(np.ones((SIDE, SIDE), np.uint8)).save(work / "strange" / "nobody.png")
    for path in (work / "X_test").iterdir():
        with Image.open(path) as image:
            small = image.resize((32, 32))
        small.save(path)
    refused(f"run {options} --out new", words)


def test_data_in_the_run_directory(refused: Refused, work: Path) -> None:
    nifti(work)
    shutil.copytree(work / "X_train", work / "old" / "X_train")
    refused(
        "run --images old/X_train --labels Y_train.csv.gz --out old --resume",
        ("data.train_images", "old", "where the run writes"),
    )


def test_a_built_in_configuration_by_name(fewshot: Call, work: Path) -> None:
    code, out, _ = fewshot("run", "--config", "demo", "--out", "new", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["stages"][0]["stage"] == "phantom"
    given = ("--images", "X_train", "--labels", "Y_train.csv.gz")
    code, out, err = fewshot(
        "run", "--config", "demo", *given, "--out", "new", "--dry-run", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["stages"][0]["stage"] == "data"
