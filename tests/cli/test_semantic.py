"""`fewshot semantic`: train, predict, compare and the LGG form, as a user calls them."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]

SMALL = (
    *("--device", "cpu", "--set", "model.encoder=tu-mobilenetv3_small_050"),
    *("--set", "model.batch_size=2", "--set", "iterations=2"),
)
SWITCHES = " ".join(SMALL)


def test_train_and_predict(fewshot: Call, work: Path) -> None:
    code, out, err = fewshot(
        "semantic", "train", "--data", "data", "--out", "net", *SMALL, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["kind"] == "semantic"
    for method in ("components", "watershed"):
        code, out, err = fewshot(
            *("semantic", "predict", "--model", "net", "--images", "X_test"),
            *("--regions", method, "--out", f"{method}.json", "--json"),
        )
        assert code == 0, err
        assert json.loads(out)["images"] == 3
        assert Path(f"{method}.json").is_file()


@pytest.mark.slow
def test_compare_leaves_table_figure_and_models(fewshot: Call, work: Path) -> None:
    shutil.copy("data/validation.json", "data/test.json")
    arguments = (
        *("semantic", "compare", "--data", "data", "--out", "cmp", "--networks", "unet,pan"),
        *("--featup", "both", *SMALL),
        *("--set", "model.network=pan", "--set", "model.experimental.featup=1"),
        "--json",
    )
    code, out, err = fewshot(*arguments)
    assert code == 0, err
    rows: list[dict[str, Any]] = json.loads(out)["rows"]
    # U-Net, and PAN with and without FeatUp; two ways to regions each.
    assert len(rows) == 2 * 3
    assert {row["model"] for row in rows if row["featup"]} == {"pan"}
    with Path("cmp/comparison.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert Path("cmp/comparison.md").read_text().count("\n") == len(rows) + 2
    with Image.open("cmp/comparison.png") as image:
        assert image.width > 800
    trained = {path: path.stat().st_mtime_ns for path in Path("cmp/models").glob("*/model.pth")}
    assert len(trained) == 3
    code, again, err = fewshot(*arguments)
    assert code == 0, err
    assert (code, json.loads(again)["rows"]) == (0, rows), err
    assert trained == {path: path.stat().st_mtime_ns for path in trained}


def test_lgg(fewshot: Call, work: Path) -> None:
    for number in range(5):
        case = Path("cases") / f"TCGA_DU_{number:04d}_20000101"
        case.mkdir(parents=True)
        for slice_ in (1, 2):
            mask = np.zeros((64, 64), np.uint8)
            mask[8:20, 8:20] = 255 * (slice_ - 1)
            Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(
                case / f"{case.name}_{slice_}.tif"
            )
            Image.fromarray(mask).save(case / f"{case.name}_{slice_}_mask.tif")
    code, out, err = fewshot("semantic", "lgg", "--images", "cases", "--out", "brain", "--json")
    assert code == 0, err
    assert json.loads(out) == {"train": 6, "validation": 2, "test": 2, "passed_over": []}
    code, out, err = fewshot(
        *("semantic", "train", "--data", "brain", "--out", "net", *SMALL, "--json"),
        *("--set", "model.channels=3"),
    )
    assert code == 0, err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train --data nowhere --out net", ["nowhere/train.json", "no such file"]),
        ("train --data data --out net --set model.network=unet3", ["network", "unet3"]),
        ("train --data data --out net --set model.encoder=resnet81", ["did you mean"]),
        ("train --data data --out net --set model.weights=w.pth", ["w.pth", "no such"]),
        ("train --data data --out net --set model.experimental.gafle=true", ["gafle", "gafl"]),
        (
            "train --data data --out net --set model.boundary=false",
            ["watershed needs boundary"],
        ),
        (
            "train --data data --out net --set model.experimental.featup=9",
            ["unet already predicts at the slice's resolution"],
        ),
        ("predict --model nowhere --images X_test --out a.json", ["contains no trained model"]),
        ("predict --model nowhere --out a.json", ["--data or --images"]),
        ("compare --data data --out cmp --networks unet,segnet", ["segnet", "deeplabv3plus"]),
        ("compare --data data --out cmp --test data/unlabelled.json", ["no labelled slices"]),
        ("lgg --images X_test --out brain", ["X_test", "<case>"]),
    ],
)
def test_bad_input_is_one_line(refused: Refused, command: str, words: list[str]) -> None:
    small = f" {SWITCHES}" if command.startswith(("train", "compare")) else ""
    parts = command.split(" --set ")
    # What the test sets comes last, so that it holds.
    refused(f"semantic {parts[0]}{small} {' '.join(f'--set {one}' for one in parts[1:])}", words)


def test_a_trained_model_is_not_overwritten(refused: Refused, work: Path) -> None:
    (work / "net").mkdir()
    (work / "net" / "model.json").write_text("{}")
    refused("semantic train --data data --out net", ["net", "already contains a model"])
