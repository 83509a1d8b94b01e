"""The LGG form, on files made here: pairs, patients, colours, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.masks.coco import read_coco, write_coco
from fewshot.semantic.data import read_slice
from fewshot.semantic.lgg import read_lgg, split_lgg


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Twelve cases of three to five slices; one patient has two, of different dates."""
    folder = tmp_path / "kaggle_3m"
    names = [f"TCGA_CS_{number:04d}_20000101" for number in range(11)] + ["TCGA_CS_0003_20010101"]
    rng = np.random.default_rng(0)
    for index, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(1, 4 + index % 3):
            colours = rng.integers(0, 255, (32, 40, 3), np.uint8)
            mask = np.zeros((32, 40), np.uint8)
            if number > 1:  # the first slice of a case shows no tumour
                mask[4:10, 4:12] = 255
            if number == 3:
                mask[20:25, 30:38] = 255
            Image.fromarray(colours).save(folder / name / f"{name}_{number}.tif")
            Image.fromarray(mask).save(folder / name / f"{name}_{number}_mask.tif")
    (folder / "data.csv").write_text("Patient,age\n")
    return folder


def test_slices_come_with_their_masks_in_order(cases: Path, tmp_path: Path) -> None:
    slices = read_lgg(cases)[0]
    assert len(slices) == sum(3 + index % 3 for index in range(12))
    first = [record for record in slices.records if record.group == "TCGA_CS_0000"]
    assert [record.file_name for record in first] == [
        f"TCGA_CS_0000_20000101/TCGA_CS_0000_20000101_{number}.tif" for number in (1, 2, 3)
    ]
    assert [len(slices.masks_of(record.image_id)) for record in first] == [0, 1, 2]
    assert slices.masks_of(first[1].image_id).areas().tolist() == [48]
    assert read_slice(slices, first[0], 3).shape == (32, 40, 3)
    assert read_slice(slices, first[0], 1).shape == (32, 40)
    write_coco(tmp_path / "lgg.json", slices, "LGG")
    assert read_coco(tmp_path / "lgg.json").records == slices.records


def test_colours_are_the_files_own(cases: Path) -> None:
    slices = read_lgg(cases)[0]
    record = slices.records[4]
    with Image.open(cases / record.file_name) as image:
        assert np.array_equal(read_slice(slices, record, 3), np.array(image))


def test_a_patient_is_on_one_side_only(cases: Path) -> None:
    slices = read_lgg(cases)[0]
    parts = split_lgg(slices, seed=0)
    patients = [{record.group for record in part.records} for part in parts]
    assert sum(len(part) for part in parts) == len(slices)
    assert sum(map(len, patients)) == 11  # twelve cases, two of one patient
    assert [len(part) / len(slices) for part in parts] == pytest.approx([0.8, 0.1, 0.1], abs=0.06)
    again = split_lgg(slices, seed=0)
    assert [part.records for part in again] == [part.records for part in parts]


def case_of(folder: Path) -> str:
    return str(folder / "TCGA_CS_0000_20000101" / "TCGA_CS_0000_20000101_2")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: Path(f"{case_of(folder)}_mask.tif").unlink(), "has no mask"),
        (lambda folder: Path(f"{case_of(folder)}.tif").unlink(), "without its slice"),
        (
            lambda folder: Image.new("L", (8, 8)).save(f"{case_of(folder)}_mask.tif"),
            "is 8 x 8 pixels, its slice 32 x 40",
        ),
        (
            lambda folder: (
                Image.linear_gradient("L").resize((40, 32)).save(f"{case_of(folder)}_mask.tif")
            ),
            "a mask has 0 outside and one inside",
        ),
        (lambda folder: Path(f"{case_of(folder)}.tif").write_bytes(b"II*"), "cannot be read"),
    ],
)
def test_a_broken_case_is_refused_by_name(
    cases: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(cases)
    with pytest.raises(InputError, match=words) as told:
        read_lgg(cases)
    assert "TCGA_CS_0000_20000101_2" in str(told.value)


def test_broken_files_are_counted_and_passed_over_when_asked(
    cases: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A public copy holds 46 of them; their pixels are broken, not their headers."""
    whole = read_lgg(cases)[0]
    broken = [f"{case_of(cases)}.tif", f"{case_of(cases)}_mask.tif", f"{case_of(cases)[:-1]}3.tif"]
    for name in (broken[0], broken[2]):
        values = np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8)
        Image.fromarray(values).save(name, compression="tiff_adobe_deflate")
        content = bytearray(Path(name).read_bytes())
        content[200:240] = bytes(40)
        Path(name).write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"_2\.tif: cannot .* \(and 1 more of 48\); .*--skip-bad"):
        read_lgg(cases)
    slices, bad = read_lgg(cases, skip_bad=True)
    assert [line.split(": ")[0] for line in bad] == [broken[0], broken[2]]
    assert len(slices) == len(whole) - 2
    kept = {record.file_name for record in slices.records}
    assert kept == {record.file_name for record in whole.records} - {
        Path(name).relative_to(cases).as_posix() for name in broken
    }
    assert [record.image_id for record in slices.records] == list(range(len(slices)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_cases_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty" / "case").mkdir(parents=True)
    with pytest.raises(InputError, match=r"not a readable folder|contains no <case>"):
        read_lgg(tmp_path / name)


def test_too_few_patients_cannot_be_split(cases: Path) -> None:
    slices = read_lgg(cases)[0]
    two = slices.subset(
        record.image_id for record in slices.records if record.group in {"TCGA_CS_0001", None}
    )
    with pytest.raises(InputError, match="three patients"):
        split_lgg(two, 0)
