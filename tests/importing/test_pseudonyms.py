"""Nothing that tells who a patient is comes out of what is made from DICOM files."""

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from fewshot.cli import data, export
from fewshot.errors import InputError
from fewshot.importing.pseudonyms import FILE, Pseudonyms, Renaming
from fewshot.masks.coco import read_coco, write_coco
from fewshot.masks.predicted import SliceMasks

# What stands in the headers, whole and as names of files would have it.
PLANTED = ("JANE", "RICHARD", "476", "5919", "1970", "ACC-77", "St Elsewhere", "20260101")
PATIENTS = ("DOE^JANE 1970-01-02 NHS 943 476 5919", "ROE^RICHARD 943")


def write_patient(folder: Path, number: int, patient: str) -> None:
    """Write a CT of four slices, with all that a scanner writes about the patient."""
    folder.mkdir(parents=True, exist_ok=True)
    for z in range(4):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
        uid = UID(f"1.2.{number}.{z + 1}")
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = uid
        one.SeriesInstanceUID = one.StudyInstanceUID = f"1.3.{number}"
        one.Modality, one.PatientID, one.PatientName = "CT", patient, patient.split()[0]
        one.PatientBirthDate, one.StudyDate = "19700102", "20260101"
        one.AccessionNumber, one.InstitutionName = "ACC-77", "St Elsewhere"
        one.StudyDescription = one.SeriesDescription = "of JANE DOE"
        one.ImageOrientationPatient, one.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2 * z]
        one.PixelSpacing, one.InstanceNumber = [0.8, 0.8], z + 1
        one.Rows = one.Columns = 32
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.WindowCenter, one.WindowWidth = 40 + z, 400 + 50 * z  # which is remarked on
        one.RescaleSlope, one.RescaleIntercept = 1, -1024
        one.PixelData = (np.arange(1024, dtype="<u2") * 2).tobytes()
        one.save_as(folder / f"{number}{z}.dcm", enforce_file_format=True)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for number, patient in enumerate(PATIENTS):
        write_patient(tmp_path / "scans", number, patient)
    return tmp_path / "scans"


def leaks(folder: Path) -> list[str]:
    """Return where planted words stand below a folder: in names, texts, packed files, pictures."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".png":  # packed pixels hold all kinds of bytes
            with Image.open(path) as image:
                content = repr(image.info).encode()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        text = path.relative_to(folder).as_posix() + content.decode("latin-1")
        found += [f"{path.name}: {word}" for word in PLANTED if word in text]
    return found


def convert(scans: Path, out: Path, keep: bool = False) -> None:
    data.convert(images=scans, out=out, test=True, check=True, keep_ids=keep)


def test_no_output_tells_who_a_patient_is(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    convert(scans, project / "data")
    slices = read_coco(project / "data" / "test.json")
    assert len(slices) == 8
    assert len({record.group for record in slices.records}) == len(slices.volumes) == 2
    for record in slices.records:
        assert slices.path_of(record).is_file()
        assert record.group is not None
        assert record.file_name.startswith(f"{record.group}_")
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 8:20] = 1
    masks = [
        SliceMasks.from_label_map(record.image_id, labels, structures=True)
        for record in slices.records
    ]
    write_coco(project / "masks.json", slices.with_masks(masks), "labels")
    for form in ("nifti", "label-png", "coco-results"):
        export.export(masks=project / "masks.json", form=form, out=project / form)
    export.look(project / "masks.json", project / "look.png")
    assert leaks(project / "data") == []
    (project / FILE).rename(tmp_path / FILE)
    assert leaks(project) == []
    out, err = capsys.readouterr()
    assert [word for word in PLANTED if word in out + err.replace(str(tmp_path), "")] == []
    assert "2 under pseudonyms" in err
    kept = json.loads((tmp_path / FILE).read_text())
    assert sorted(kept["patients"].values()) == sorted(PATIENTS)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def groups(file: Path) -> set[str | None]:
    return {record.group for record in read_coco(file).records}


def test_a_patient_has_one_pseudonym_in_a_project_and_another_one_elsewhere(
    scans: Path, tmp_path: Path
) -> None:
    convert(scans, tmp_path / "one" / "train")
    write_patient(tmp_path / "more", 0, PATIENTS[1])
    convert(tmp_path / "more", tmp_path / "one" / "test")
    convert(scans, tmp_path / "two" / "train")
    first = groups(tmp_path / "one" / "train" / "test.json")
    assert groups(tmp_path / "one" / "test" / "test.json") < first
    assert not first & groups(tmp_path / "two" / "train" / "test.json")


def test_identifiers_are_kept_for_those_who_may(scans: Path, tmp_path: Path) -> None:
    convert(scans, tmp_path / "project" / "data", keep=True)
    assert any("DOE_JANE" in str(one) for one in groups(tmp_path / "project/data/test.json"))
    assert not (tmp_path / "project" / FILE).exists()


@pytest.mark.parametrize("patient", ["1", "12", "patient", "image", "7.5", "a b", "x" * 64])
def test_odd_identifiers_change_nothing_but_names(patient: str, tmp_path: Path) -> None:
    write_patient(tmp_path / "scans", 0, patient)
    convert(tmp_path / "scans", tmp_path / "project" / "data")
    slices = read_coco(tmp_path / "project" / "data" / "test.json")
    (group,) = {record.group for record in slices.records}
    assert group == Pseudonyms(tmp_path / "project" / FILE).of(patient)
    names = [f"{group}_1_{number:04d}.png" for number in range(4)]
    assert [record.file_name for record in slices.records] == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_2_0003.png", "P_2_0003.png"),
        # A number is no patient.
        ("1 slice of 12, 1 mm, 1_b", "1 slice of 12, 1 mm, 1_b"),
        ("DOE_JANE_1: 20 slices", "Q_1: 20 slices"),
        ("DOE_JANET_1: 20 slices of DOE_JANE", "DOE_JANET_1: 20 slices of Q"),
    ],
)
def test_messages_name_pseudonyms(text: str, expected: str, tmp_path: Path) -> None:
    table = Pseudonyms(tmp_path / FILE)
    renaming = Renaming({"1": "1", "DOE_JANE": "DOE^JANE"}, table)
    names = {"P": table.of("1"), "Q": table.of("DOE^JANE")}
    for short, name in names.items():
        expected = expected.replace(short, name) if short in ("P", "Q") else expected
    assert renaming.line(text) == expected


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    "spoil",
    [
        _link,
        partial(Path.write_text, data="{}"),
        partial(
            Path.write_text, data='{"form": "fewshot pseudonyms 1", "key": "ab", "patients": {}}'
        ),
    ],
)
def test_a_file_of_something_else_is_refused(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    spoil(tmp_path / FILE)
    with pytest.raises(InputError, match=FILE):
        Pseudonyms(tmp_path / FILE).of("DOE")


def label_files(names: list[str], folder: Path) -> Path:
    folder.mkdir()
    label = np.zeros((32, 32), np.uint8)
    label[8:20, 8:20] = 1
    for name in names:
        Image.fromarray(label).save(folder / name)
    return folder


@pytest.mark.parametrize("keep", [False, True])
def test_labels_may_be_named_by_pseudonyms_or_by_identifiers(
    keep: bool, scans: Path, tmp_path: Path
) -> None:
    convert(scans, tmp_path / "one" / "data", keep)
    names = [one.name for one in (tmp_path / "one" / "data" / "images").iterdir()]
    labels = label_files(names, tmp_path / "labels")
    for seed in range(3):
        out = tmp_path / "one" / f"labelled{seed}"
        data.convert(images=scans, labels=labels, out=out, seed=seed, validation_fraction=0.5)
        parts = [read_coco(out / name) for name in ("train.json", "validation.json")]
        assert [len(part.masks) for part in parts] == [4, 4]
        assert leaks(out) == []
        kept = tmp_path / "two" / f"labelled{seed}"
        if keep:  # and no key changes who is held out
            data.convert(
                images=scans,
                labels=labels,
                out=kept,
                seed=seed,
                validation_fraction=0.5,
                keep_ids=True,
            )
            table = Pseudonyms(tmp_path / "one" / FILE)
            (own,) = {one.group for one in read_coco(kept / "train.json").records}
            (name,) = {one.group for one in parts[0].records}
            assert own is not None
            assert name == table.of(next(one for one in PATIENTS if one[:3] == own[:3]))


def test_a_groups_table_may_name_patients_as_their_files_do(scans: Path, tmp_path: Path) -> None:
    plain = [one.replace("^", "_").replace(" ", "_") for one in PATIENTS]
    rows = "".join(f"{name},{name}\n" for name in plain)
    (tmp_path / "groups.csv").write_text(f"image,patient\n{rows}")
    data.convert(
        images=scans, groups=tmp_path / "groups.csv", out=tmp_path / "project/data", test=True
    )
    assert leaks(tmp_path / "project" / "data") == []
    table = Pseudonyms(tmp_path / "project" / FILE)
    assert groups(tmp_path / "project/data/test.json") == {table.of(one) for one in PATIENTS}
