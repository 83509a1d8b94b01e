"""The challenge's files as COCO: which slice goes where, and what its masks are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.importing.datasets import (
    Patients,
    TrainingFiles,
    read_test,
    read_training,
    write_datasets,
)
from fewshot.masks.coco import read_coco
from fewshot.slices.images import write_image
from fewshot.slices.label_csv import write_label_csv

LabelMap = NDArray[np.uint8]
# Not square, so that a transposed mask would not fit.
SHAPE = (24, 40)
LABELLED, UNLABELLED = 10, 5


def a_label_map(number: int) -> LabelMap:
    """Three regions under ids of their own, the first of them in two separate parts."""
    label_map = np.zeros(SHAPE, dtype=np.uint8)
    label_map[2:6, 3 : 6 + number] = label_map[20:22, 30:38] = 7 + number
    label_map[8:14, 3:9] = 201
    label_map[8:14, 9:12] = 3
    return label_map


def write_slices(folder: Path, label_maps: Mapping[str, LabelMap]) -> TrainingFiles:
    """Write slices and their labels in the challenge's form."""
    for name in label_maps:
        write_image(folder / "images" / name, np.full(SHAPE, 90, dtype=np.uint8))
    write_label_csv(folder / "labels.csv", list(label_maps), list(label_maps.values()))
    return TrainingFiles(folder / "images", folder / "labels.csv")


def with_groups(files: TrainingFiles, groups: Mapping[str, str]) -> TrainingFiles:
    path = files.labels.with_name("groups.csv")
    path.write_text("image,patient\n" + "".join(f"{n},{g}\n" for n, g in groups.items()))
    return TrainingFiles(files.images, files.labels, path)


@pytest.fixture
def files(tmp_path: Path) -> TrainingFiles:
    nothing = np.zeros(SHAPE, dtype=np.uint8)
    labelled = {f"{number}.png": a_label_map(number) for number in range(LABELLED)}
    rest = {f"{LABELLED + number}.png": nothing for number in range(UNLABELLED)}
    return write_slices(tmp_path, {**labelled, **rest})


def test_each_slice_is_in_one_part_under_its_own_number(
    files: TrainingFiles, tmp_path: Path
) -> None:
    write_datasets(read_training(files, 0.2, 0), tmp_path / "data")
    parts = {
        name: read_coco(tmp_path / "data" / f"{name}.json")
        for name in ("train", "validation", "unlabelled")
    }
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 8,
        "validation": 2,
        "unlabelled": 5,
    }
    records = [record for part in parts.values() for record in part.records]
    assert sorted(record.image_id for record in records) == list(range(15))
    assert all(record.file_name == f"{record.image_id}.png" for record in records)
    assert all((record.height, record.width) == SHAPE for record in records)
    assert {record.image_id for record in parts["unlabelled"].records} == set(range(10, 15))
    assert not parts["unlabelled"].masks
    assert all(part.images == files.images.resolve() for part in parts.values())


def test_each_label_is_one_mask_where_the_label_map_has_it(
    files: TrainingFiles, tmp_path: Path
) -> None:
    write_datasets(read_training(files, 0.2, 0), tmp_path / "data")
    for name in ("train", "validation"):
        slices = read_coco(tmp_path / "data" / f"{name}.json")
        for record in slices.records:
            label_map = a_label_map(record.image_id)
            masks = slices.masks_of(record.image_id)
            expected = [label_map == label for label in np.unique(label_map)[1:]]
            np.testing.assert_array_equal(masks.decode(), np.array(expected))
            assert set(masks.sources) == {"label"}
            assert set(masks.scores.tolist()) == {1.0}


def test_the_same_seed_gives_the_same_bytes(files: TrainingFiles, tmp_path: Path) -> None:
    written = []
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_datasets(read_training(files, 0.2, seed), tmp_path / out)
        written.append([path.read_bytes() for path in sorted((tmp_path / out).iterdir())])
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("suffix", [".png", ""])
def test_patients_stay_together(files: TrainingFiles, suffix: str) -> None:
    groups = {f"{number}{suffix}": f"patient {number // 3}" for number in range(15)}
    parts = read_training(with_groups(files, groups), 0.4, 0)
    train, validation = (
        {record.group for record in parts[name].records}
        for name in ("train.json", "validation.json")
    )
    assert train
    assert validation
    assert not train & validation
    assert {record.group for record in parts["unlabelled.json"].records} == {
        "patient 3",
        "patient 4",
    }


def test_labels_beyond_a_number_are_set_aside(files: TrainingFiles) -> None:
    parts = read_training(files, 0.2, 0, labelled=4)
    kept = [*parts["train.json"].records, *parts["validation.json"].records]
    assert sorted(record.image_id for record in kept) == [0, 1, 2, 3]
    assert len(parts["unlabelled.json"]) == 11
    assert not parts["unlabelled.json"].masks


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["0.png", "9.png", "10.png"], [0, 9, 10]),
        (["7.png", "007b.png", "8.png"], [0, 1, 2]),
        # As numbers these are one and the same.
        (["1.png", "01.png", "2.png"], [0, 1, 2]),
        # No JSON reader keeps so many digits.
        (["20261121093000123456.png", "20261121093000123457.png"], [0, 1]),
        (["a2.png", "a10.png"], [0, 1]),
    ],
)
def test_ids_are_the_names_where_those_are_numbers(
    tmp_path: Path, names: Sequence[str], ids: Sequence[int]
) -> None:
    for name in names:
        write_image(tmp_path / name, np.zeros(SHAPE, dtype=np.uint8))
    records = read_test(tmp_path, None).records
    assert sorted(record.image_id for record in records) == ids
    assert {record.file_name for record in records} == set(names)


def test_dots_in_names_are_part_of_them(tmp_path: Path) -> None:
    label_maps = {f"scan.{number}.png": a_label_map(number) for number in range(4)}
    parts = read_training(write_slices(tmp_path, label_maps), 0.25, 0)
    assert len(parts["train.json"]) == 3


def test_test_slices_with_and_without_labels(files: TrainingFiles, tmp_path: Path) -> None:
    write_datasets({"known.json": read_test(files.images, files.labels)}, tmp_path)
    write_datasets({"unknown.json": read_test(files.images, None)}, tmp_path)
    known, unknown = (read_coco(tmp_path / f"{name}.json") for name in ("known", "unknown"))
    assert known.records == unknown.records
    assert len(known) == 15
    assert [len(known.masks_of(number)) for number in (0, 9, 10)] == [3, 3, 0]
    assert not unknown.masks


def test_test_slices_are_of_the_patients_that_a_table_says(
    files: TrainingFiles, tmp_path: Path
) -> None:
    patients = {f"{number}.png": f"p{number // 2}" for number in range(15)}
    groups = with_groups(files, patients).groups
    write_datasets({"test.json": read_test(files.images, files.labels, groups)}, tmp_path)
    assert read_coco(tmp_path / "test.json").groups == patients
    assert read_test(files.images, files.labels).groups is None
    del patients["9.png"]
    with pytest.raises(InputError, match=r"have no row: .*9\.png.*add a row"):
        read_test(files.images, files.labels, with_groups(files, patients).groups)


@pytest.mark.parametrize("rows", [["0.png"], ["0.png", "1.png", "2.png", "3.png"]])
def test_test_labels_of_other_slices_are_refused(tmp_path: Path, rows: Sequence[str]) -> None:
    files = write_slices(tmp_path, {f"{number}.png": a_label_map(number) for number in range(3)})
    write_label_csv(files.labels, rows, [a_label_map(0)] * len(rows))
    with pytest.raises(InputError, match=r"labels\.csv: .* do not match: no (image|column) for"):
        read_test(files.images, files.labels)


def test_the_labels_of_whole_patients_are_used(
    files: TrainingFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    patients = {f"{number}.png": "abc"[number % 3] for number in range(LABELLED + UNLABELLED)}
    grouped = with_groups(files, patients)
    parts = read_training(grouped, 0.5, 0, Patients(2))
    learnt = [
        str(record.group)
        for name in ("train", "validation")
        for record in parts[f"{name}.json"].records
    ]
    assert sorted(learnt) == ["a"] * 4 + ["b"] * 3
    assert (
        "labels of 7 slices of 2 patients are used, 10 slices have some" in capsys.readouterr().err
    )
    assert len(parts["unlabelled.json"]) == UNLABELLED + 3


@pytest.mark.parametrize(
    ("count", "grouped", "words"),
    [
        (4, True, "data.labelled_patients: 4 wanted but the labelled slices are of 3 patients"),
        (2, False, "does not tell which slice is of which patient; give data.groups"),
    ],
)
def test_patients_that_are_not_there_are_refused(
    files: TrainingFiles, count: int, grouped: bool, words: str
) -> None:
    patients = {f"{number}.png": "abc"[number % 3] for number in range(LABELLED + UNLABELLED)}
    given = with_groups(files, patients) if grouped else files
    with pytest.raises(InputError, match=words):
        read_training(given, 0.5, 0, Patients(count))
