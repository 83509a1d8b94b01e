"""`fewshot baseline` as a user calls it: files out, the report's table, and one line when wrong."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.classical.watershed import watershed_label_map
from fewshot.config.watershed import WatershedSettings
from fewshot.masks.coco import read_coco
from fewshot.preprocess.denoising import median
from fewshot.slices.images import list_images, read_image
from fewshot.slices.label_csv import read_label_csv

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]


def test_images_become_a_submission_that_can_be_scored(fewshot: Call, work: Path) -> None:
    code, out, err = fewshot("baseline", "--images", "X_test", "--out", "y.csv", "--json")
    assert code == 0, err
    assert json.loads(out) == {"file": "y.csv", "images": 3}
    table = read_label_csv(work / "y.csv")
    for path in list_images(work / "X_test"):
        found = table.label_map(path.name, 64, 64)
        np.testing.assert_array_equal(found, watershed_label_map(read_image(path)))
    code, out, _ = fewshot("score", "--truth", "Y_test.csv.gz", "--submission", "y.csv", "--json")
    assert (code, json.loads(out)["images"]) == (0, 3)
    assert "baseline: 3/3" in err


def test_settings_and_steps_are_those_asked_for(fewshot: Call, work: Path) -> None:
    command = ["baseline", "--data", "data/train.json", "--out", "y.json", "--slices", "2"]
    constants = ["--set", "baseline.gradient_radius=3", "--set", "preprocess=[median]"]
    assert fewshot(*command, *constants, "--workers", "1")[0] == 0
    found = read_coco(work / "y.json")
    assert len(found) == 2
    for record in found.records:
        image = median(read_image(found.path_of(record)))
        regions = watershed_label_map(image, WatershedSettings(gradient_radius=3))
        assert len(found.masks_of(record.image_id)) == regions.max()
    # On the command line, steps take the place of the settings'; several are voted on.
    assert fewshot(*command, *constants, "--preprocess", "[]", "--preprocess", "[tv]")[0] == 0


def test_the_reports_table_and_its_picture(fewshot: Call, work: Path) -> None:
    labels = ["--images", "X_test", "--labels", "Y_test.csv.gz"]
    code, out, err = fewshot("baseline", *labels, "--table", "--out", "table", "--json")
    assert code == 0, err
    table = json.loads((work / "table" / "table.json").read_text())
    assert json.loads(out) == table
    assert table["images"] == 3
    names = [row["filter"] for row in table["rows"]]
    assert names[:2] == ["none", "CLAHE"]
    for word in ("bilateral", "total variation", "median", "mode"):
        assert any(word in name for name in names)
    with (work / "table" / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filter"] for row in rows] == names
    assert float(rows[0]["ari_all"]) == pytest.approx(table["rows"][0]["ari_all"])
    with Image.open(work / "table" / "table.png") as picture:
        assert picture.width > 1000
        assert len(np.unique(np.array(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 1000
    assert "CLAHE, total variation" in err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("--out y.csv", ["either --images or --data"]),
        ("--images X_test --data data/test.json --out y.csv", ["either --images or --data"]),
        ("--images gone --out y.csv", ["gone"]),
        ("--images X_test --out y.txt", ["--out y.txt", ".csv", ".json"]),
        ("--images X_test --out y.csv --preprocess [blur]", ["unknown step", "known steps: clahe"]),
        ("--images X_test --out y.csv --preprocess [{step:tv}]", ["write a step as its name"]),
        (
            "--images X_test --out y.csv --preprocess {channels:[[],[],[sobel]]}",
            ["preprocess"],
        ),
        ("--images X_test --out y.csv --set preprocess.input=colour", ["one grey channel"]),
        ("--images X_test --out y.csv --set baseline.median_radius=0", ["baseline.median_radius"]),
        ("--images X_test --out y.csv --labels Y_test.csv.gz", ["--labels", "only --table"]),
        ("--images X_test --out t --table", ["no slice has labels", "--labels"]),
        ("--data data/unlabelled.json --out t --table", ["no slice has labels"]),
        ("--data data/train.json --out old --table", ["--out old", "not empty"]),
        ("--data data/train.json --out t --table --preprocess [tv]", ["its own rows"]),
        ("--data data/train.json --groups groups.csv --out t --table", ["--groups", "of its own"]),
    ],
)
def test_what_is_wrong_is_one_line(refused: Refused, command: str, words: list[str]) -> None:
    refused(f"baseline {command}", words)


@pytest.mark.parametrize("kind", ["16 bits", "float", "empty file"])
def test_images_that_are_no_8_bit_grey_are_named(refused: Refused, work: Path, kind: str) -> None:
    (work / "deep").mkdir()
    target = work / "deep" / "0.tif"
    if kind == "empty file":
        target.write_bytes(b"")
    else:
        values = np.full((9, 9), 300, np.uint16 if kind == "16 bits" else np.float32)
        Image.fromarray(values).save(target)
    refused("baseline --images deep --out y.csv", ["deep/0.tif"])


@pytest.mark.parametrize("size", [1, 2, 30])
def test_tiny_and_black_slices_have_a_result(fewshot: Call, work: Path, size: int) -> None:
    (work / "black").mkdir()
    Image.fromarray(np.zeros((size, size), np.uint8)).save(work / "black" / "0.png")
    steps = "[clahe, bilateral, tv, median]"
    code, _, err = fewshot(
        *("baseline", "--images", "black", "--out", "y.csv", "--preprocess", steps)
    )
    assert code == 0, err
    assert (read_label_csv(work / "y.csv").pixels == 1).all()
