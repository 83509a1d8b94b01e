"""Bad images, labels and groups, refused by `convert` and by `run` before anything is touched."""

import gzip
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.config.load import load_settings
from fewshot.pipeline.data import read_datasets
from fewshot.run.layout import RunLayout

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]
Rows = list[list[str]]


def edit_labels(change: Callable[[Rows], object], file: str = "Y_train.csv.gz") -> None:
    with gzip.open(file, "rt") as labels:
        rows = [line.rstrip("\n").split(",") for line in labels]
    change(rows)
    with gzip.open(file, "wt") as labels:
        labels.writelines(",".join(row) + "\n" for row in rows)


def keep_labels_of(columns: int) -> Callable[[], None]:
    """Make all but the first columns unlabelled."""

    def zero(rows: Rows) -> None:
        for row in rows[1:]:
            row[columns + 1 :] = ["0"] * len(row[columns + 1 :])

    return lambda: edit_labels(zero)


def set_cell(row: int, column: int, text: str) -> Callable[[], None]:
    return lambda: edit_labels(lambda rows: rows[row].__setitem__(column, text))


def smaller_slices(rows: Rows) -> None:
    del rows[1 + 32 * 32 :]


def without_last_column(rows: Rows) -> None:
    for row in rows:
        row.pop()


def write_groups(*lines: str) -> Callable[[], object]:
    return lambda: Path("groups.csv").write_text("image,patient\n" + "\n".join(lines) + "\n")


def no_images() -> None:
    shutil.rmtree("X_train")
    Path("X_train").mkdir()


def save_16_bit() -> None:
    Image.fromarray(np.zeros((64, 64), np.uint16)).save("X_train/3.png")


def cut(file: str) -> None:
    """Lose the second half of a file."""
    content = Path(file).read_bytes()
    Path(file).write_bytes(content[: len(content) // 2])


BAD_DATA: list[tuple[str, Callable[[], object], tuple[str, ...]]] = [
    ("no folder", lambda: shutil.rmtree("X_train"), ("X_train: no such",)),
    (
        "empty folder",
        no_images,
        ("X_train: ", "no image"),
    ),
    ("no label file", lambda: Path("Y_train.csv.gz").unlink(), ("Y_train.csv.gz: no such file",)),
    ("no group file", lambda: Path("groups.csv").unlink(), ("groups.csv: no such file",)),
    ("text as image", lambda: Path("X_train/3.png").write_text("."), ("3.png", "8-bit PNG")),
    ("half an image", lambda: cut("X_train/3.png"), ("3.png", "save it again")),
    (
        "image of another size",
        lambda: Image.new("L", (32, 32)).save("X_train/3.png"),
        ("Y_train.csv.gz", "'3.png' is 32 x 32", "4096 pixels", "same size"),
    ),
    (
        "labels of smaller slices",
        lambda: edit_labels(smaller_slices),
        ("Y_train.csv.gz", ".png' is 64 x 64", "1024 pixels", "same size"),
    ),
    ("half a label file", lambda: cut("Y_train.csv.gz"), ("Y_train.csv.gz", "cut short")),
    ("short row", lambda: edit_labels(lambda rows: rows[9].pop()), ("line 10", "10 cells", "11")),
    (
        "column without image",
        set_cell(0, -1, "12.png"),
        ("Y_train.csv.gz", "no image for '12.png'"),
    ),
    (
        "image without column",
        lambda: edit_labels(without_last_column),
        ("Y_train.csv.gz", "no column for '9.png'"),
    ),
    ("column twice", set_cell(0, -1, "0.png"), ("Y_train.csv.gz: line 1", "'0.png'")),
    (
        "label above 255",
        set_cell(5, 1, "256"),
        ("line 6", "'0.png'", "256", "above 255", "renumber"),
    ),
    ("negative label", set_cell(5, 1, "-1"), ("line 6", "'0.png'", "'-1'", "0 to 255")),
    ("label is no number", set_cell(5, 1, "liver"), ("line 6", "'0.png'", "'liver'")),
    ("no labels", keep_labels_of(0), ("Y_train.csv.gz: no labelled slices", "give labels")),
    ("one labelled slice", keep_labels_of(1), ("1 slices cannot be split", "at least two")),
    ("one labelled patient", keep_labels_of(2), ("groups.csv", "'labelled_000'", "two groups")),
    (
        "image without group",
        write_groups("0.png,a", "1.png,b"),
        ("2.png", "have no row", "add"),
    ),
    ("group twice", write_groups("0.png,a", "0,b"), ("groups.csv: line 3", "'0'")),
]


@pytest.mark.parametrize(
    ("breaks", "words"), [row[1:] for row in BAD_DATA], ids=[row[0] for row in BAD_DATA]
)
@pytest.mark.parametrize(
    "command",
    [
        "convert --images X_train --labels Y_train.csv.gz --groups groups.csv --out new",
        "run --config run.yaml --out new",
        # The old run stays as it is.
        "run --config run.yaml --out old --overwrite",
        "run --config run.yaml --out old --resume",
    ],
)
def test_bad_data(
    refused: Refused, breaks: Callable[[], object], words: tuple[str, ...], command: str
) -> None:
    breaks()
    refused(command, words)


def test_a_run_writes_deep_images_as_convert_does(
    fewshot: Call, work: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_16_bit()
    layout = RunLayout(load_settings(Path("run.yaml")), work / "run")
    read_datasets(layout, write=True)
    assert "test slices are 8-bit images as they are" in capfd.readouterr().err
    convert = "convert --images X_train --labels Y_train.csv.gz --out new"
    assert fewshot(*convert.split())[0] == 0
    with Image.open("new/images/3.png") as made:
        assert made.mode == "L"
    for path in Path("new/images").iterdir():
        assert path.read_bytes() == Path("run/data/images/train", path.name).read_bytes()


def test_without_groups_two_labelled_slices_are_enough(refused: Refused, fewshot: Call) -> None:
    convert = "convert --images X_train --labels Y_train.csv.gz --out new"
    keep_labels_of(2)()
    assert fewshot(*convert.split())[0] == 0
    keep_labels_of(1)()
    refused(convert.replace("new", "newer"), ["Y_train.csv.gz: split: 1 slices cannot be split"])


BAD_TEST_DATA: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: Path("X_test/1.png").write_text("."), ("X_test/1.png", "8-bit PNG")),
    (lambda: edit_labels(smaller_slices, "Y_test.csv.gz"), ("Y_test.csv.gz", "1024 pixels")),
    (lambda: edit_labels(without_last_column, "Y_test.csv.gz"), ("Y_test.csv.gz", "'2.png'")),
    # The labels of other slices.
    (
        lambda: shutil.copy("Y_train.csv.gz", "Y_test.csv.gz"),
        ("Y_test.csv.gz", "no image for '3.pn"),
    ),
]


@pytest.mark.parametrize(("breaks", "words"), BAD_TEST_DATA)
@pytest.mark.parametrize(
    "command",
    [
        "convert --images X_test --labels Y_test.csv.gz --test --out new",
        "run --config run.yaml --out old --overwrite",
    ],
)
def test_bad_test_data(
    refused: Refused, breaks: Callable[[], object], words: tuple[str, ...], command: str
) -> None:
    breaks()
    refused(command, words)
