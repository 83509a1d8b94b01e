"""Bad settings, files and options: one line that says what to fix, and nothing is touched."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fewshot.run import owned

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]

ZOO = "COCO-InstanceSegmentation/mask_rcnn"
BAD_SETTINGS: list[tuple[str, tuple[str, ...]]] = [
    ("sede=1", ("run.yaml: sede: unknown key", "did you mean 'seed'")),
    ("final.iteratoins=9", ("final.iteratoins: unknown key", "did you mean 'iterations'")),
    ("final.iterations=0", ("final.iterations", "greater than or equal to 1", "got 0")),
    ("final.learning_rate=fast", ("final.learning_rate", "number", "'fast'")),
    ("radiologists.fine.score_threshold=1.5", ("radiologists.2.score_threshold", "less than 1")),
    ("radiologists.coarse.iterations=9", ("'coarse'", "rough, steady, fine")),
    ("merge.background=black", ("merge.background", "'nearest'", "'black'")),
    ("data.labelled=99", ("data.labelled: 99", "only 6")),
    ("data.test_labels=nowhere.csv", ("data.test_labels: nowhere.csv: no such file",)),
    ("data.test_groups=nowhere.csv", ("data.test_groups: nowhere.csv: no such file",)),
    ("data.test_groups=Y_test.csv.gz", ("Y_test.csv.gz",)),
    ("seed", ("--set seed", "key=value")),
    ("=1", ("--set =1", "key=value")),
    ("final={", ("--set final={", "YAML")),
    ("device=gpu", ("device", "'cuda'", "'gpu'")),
    ("detector.architecture=huge", ("detector.architecture: huge: unknown architecture", "tiny")),
    (
        f"detector.architecture={ZOO}_R_51_FPN_3x.yaml",
        ("unknown architecture", f"did you mean {ZOO}_R_50_FPN_3x.yaml?"),
    ),
    ("detector.weights=nowhere.pth", ("detector.weights: nowhere.pth: no such file", "none")),
    ("detector.weights=groups.csv", ("groups.csv: not a usable checkpoint", "another file")),
    ("detector.options=[MODEL.NOTHING,1]", ("detector.options", "MODEL.NOTHING")),
    ("detector.options=[MODEL.BACKBONE.NAME,spine]", ("detector", "spine")),
    ("detector.options=[MODEL.WEIGHTS]", ("detector", "options", "followed by its value")),
]


@pytest.mark.parametrize(("setting", "words"), BAD_SETTINGS)
@pytest.mark.parametrize("out", ["new", "old --overwrite"])
def test_bad_settings(refused: Refused, setting: str, words: tuple[str, ...], out: str) -> None:
    refused(f"run --config run.yaml --out {out} --set {setting}", words)


def test_each_wrong_setting_has_its_line(fewshot: Call, work: Path) -> None:
    command = "run --config run.yaml --out new --set sede=1 --set final.iterations=0"
    code, _, err = fewshot(*command.split())
    assert code == 2
    assert all(line.startswith("error: run.yaml: ") for line in err.splitlines())
    assert len(err.splitlines()) == 2


def test_a_final_model_that_is_lent_nothing_says_so(fewshot: Call, work: Path) -> None:
    lender = "radiologists=[{name: net, model: {kind: semantic, encoder: resnet18, ema: 0.9, "
    lender += "consistency: {weight: 1.0}}}]"
    command = "train-final --config run.yaml --data nowhere --out new --set final.warm_start=net"
    code, _, err = fewshot(*command.split(), "--set", lender)
    assert code == 2
    assert "net has learnt from unlabelled slices" in err
    assert "does not start from it" in err


TRAIN = "train-radiologists --config run.yaml --data data --out new"
SOFT = "soft-label --data data --radiologists"
PREDICT = "predict --model trained/rough"
MERGE = "merge --predictions data/validation.json --out new/merged.json"
RULE = "--score-threshold 0.5 --background keep"
BAD_COMMANDS: list[tuple[str, tuple[str, ...]]] = [
    # Directories
    ("phantom --out data", ("--out data: is not empty", "another folder")),
    ("phantom --out run.yaml", ("--out run.yaml", "another folder")),
    ("convert --images X_test --out data", ("--out data: is not empty", "another folder")),
    ("demo --out data", ("data: is not empty", "--resume, --overwrite")),
    ("demo --out old", ("old: is not empty", "--resume, --overwrite")),
    ("demo --out data --overwrite", ("data: is not a run directory", "left unchanged")),
    ("demo --out data --resume", ("data: is not a run directory", "left unchanged")),
    ("demo --out run.yaml", ("run.yaml: is a file",)),
    ("demo --out old --resume --overwrite", ("--resume and --overwrite", "only one")),
    ("demo --out old --resume --overwrite --set sede=1", ("--resume and --overwrite",)),
    ("run --config run.yaml --out old --dry-run", ("old: is not empty", "--resume")),
    (TRAIN.replace("new", "trained"), ("trained/rough", "already contains a model")),
    (
        "train-final --config run.yaml --data data --out trained/rough",
        ("trained/rough", "already contains a model"),
    ),
    (f"{SOFT} trained --out data", ("--out data: is not empty", "another folder")),
    # Settings files
    ("run --config nowhere.yaml --out new", ("nowhere.yaml: no such settings file", "configs/")),
    ("run --config groups.csv --out new", ("groups.csv: must contain settings",)),
    ("run --config Y_test.csv.gz --out new", ("Y_test.csv.gz: not a text file", "YAML")),
    ("run --config X_train --out new", ("X_train: cannot be read",)),
    (f"{TRAIN} --config nowhere.yaml", ("nowhere.yaml: no such settings file",)),
    # Training
    (TRAIN.replace("data --out", "nowhere --out"), ("nowhere/train.json: no such file",)),
    (TRAIN.replace("data --out", "half --out"), ("half/validation.json: broken JSON at line",)),
    (TRAIN.replace("data --out", "moved --out"), ("nowhere/", "no such image")),
    (TRAIN.replace("data --out", "resized --out"), ("X_train", "64 x 64", "64 x 32 in the COCO")),
    (TRAIN.replace("data --out", "empty --out"), ("empty/train.json: contains no slices",)),
    (f"{TRAIN} --only coarse", ("--only coarse", "rough, steady, fine")),
    (f"{TRAIN} --set detector.weights=nowhere.pth", ("detector.weights: nowhere.pth",)),
    (f"{TRAIN} --set detector.weights=groups.csv", ("groups.csv: not a usable checkpoint",)),
    (f"{TRAIN} --set detector.architecture=huge", ("detector.architecture: huge", "tiny")),
    (f"{TRAIN} --set final.iteratoins=9", ("final.iteratoins", "did you mean 'iterations'")),
    (
        "train-final --config run.yaml --data data --soft-labels half/validation.json --out new",
        ("broken JSON",),
    ),
    (
        "train-final --config run.yaml --data data --soft-labels nowhere.json --out new",
        ("nowhere.json: no such",),
    ),
    # Soft labels
    (f"{SOFT} nowhere --out new", ("nowhere/weights.json: no such file",)),
    (f"{SOFT} trained --out new", ("trained/weights.json: contains no radiologists' weights",)),
    (f"{SOFT} nowhere --out new --seed 1 --set final.iterations=0", ("final.iterations",)),
    # Prediction
    (f"{PREDICT} --out new.json", ("--data or --images",)),
    (f"{PREDICT} --data data/train.json --images X_test --out new.json", ("--data or --images",)),
    (f"{PREDICT} --images nowhere --out new.json", ("nowhere: not a readable folder",)),
    (f"{PREDICT} --data half/validation.json --out new.json", ("half/validation.json: broken",)),
    (f"{PREDICT} --data moved/train.json --out new.json", ("nowhere/", "no such image")),
    (f"{PREDICT} --images X_test --out new.json", ("trained/rough/model.json: its settings",)),
    ("predict --model data --images X_test --out new.json", ("data: contains no trained model",)),
    # Merging
    (MERGE, ("--score-threshold and --background", "--truth")),
    (f"{MERGE} --score-threshold 0.5", ("--score-threshold and --background",)),
    (f"{MERGE} {RULE} --truth data/validation.json", ("--truth-predictions", "both")),
    (
        f"{MERGE} --truth data/validation.json --truth-predictions data/train.json",
        ("data/train.json: holds no prediction of", ".png'", "data/validation.json"),
    ),
    (
        f"{MERGE} --truth empty/train.json --truth-predictions data/train.json",
        ("empty/train.json: ", "no slices"),
    ),
    (
        f"merge --predictions nowhere.json --out new.json {RULE}",
        ("nowhere.json: no such file",),
    ),
    # Submissions
    ("submit --merged nowhere.json --out new.csv", ("nowhere.json: no such file",)),
    ("submit --merged half/validation.json --out new.csv", ("half/validation.json: broken JSON",)),
    ("submit --merged wrong.json --out new.csv", ("wrong.json: annotation 1: image_id is 77",)),
    ("submit --merged empty/train.json --out new.csv", ("no image to write",)),
    ("submit --merged resized/train.json --out new.csv", (".png'", "one size")),
    ("score --truth nowhere.csv --submission Y_test.csv.gz", ("nowhere.csv: no such file",)),
    (
        "score --truth Y_train.csv.gz --submission Y_test.csv.gz",
        ("Y_test.csv.gz: no column for '3.png'", "Y_train.csv.gz"),
    ),
    (
        "score --truth Y_test.csv.gz --submission Y_train.csv.gz",
        ("Y_train.csv.gz: '3.png'", "not in Y_test.csv.gz"),
    ),
    ("validate nowhere.json", ("nowhere.json: no such file",)),
    ("validate nowhere.csv", ("nowhere.csv: no such file",)),
    ("validate run.yaml", ("run.yaml: neither .json nor .csv",)),
]


@pytest.fixture
def broken(work: Path) -> Path:
    """Beside the good data: COCO files broken in several ways, and a folder of broken models."""
    coco = {name: Path("data", name).read_text() for name in ("train.json", "validation.json")}
    document = json.loads(coco["train.json"])
    resized = {**document, "annotations": [], "images": [dict(i) for i in document["images"]]}
    resized["images"][-1]["width"] = 32
    nothing = {**document, "annotations": [], "images": []}
    wrong = {**document, "annotations": [{**document["annotations"][0], "image_id": 77}]}
    trains = {
        "half": coco["train.json"],
        "moved": json.dumps({**document, "info": {"images": "nowhere"}}),
        "resized": json.dumps(resized),
        "empty": json.dumps(nothing),
    }
    for name, train in trains.items():
        Path(name).mkdir()
        Path(name, "train.json").write_text(train)
        Path(name, "validation.json").write_text(coco["validation.json"])
    Path("half/validation.json").write_text(coco["validation.json"][:-99])
    Path("wrong.json").write_text(json.dumps(wrong))
    Path("trained/rough").mkdir(parents=True)
    Path("trained/weights.json").write_text('{"weights": {"rough": 2}}')
    described = {"kind": "mask_rcnn", "name": "rough", "iterations": 1, "average_precision": {}}
    description = {**described, "detector": {"architecture": 3}}
    Path("trained/rough/model.json").write_text(json.dumps(description))
    return work


@pytest.mark.parametrize(("command", "words"), BAD_COMMANDS)
@pytest.mark.usefixtures("broken")
def test_bad_commands(refused: Refused, command: str, words: tuple[str, ...]) -> None:
    refused(command, words)


@pytest.mark.parametrize(
    "setting",
    ["data.train_images=old/X_train", "detector.weights=old/model.pth"],
)
def test_a_run_is_not_emptied_of_what_it_reads(refused: Refused, work: Path, setting: str) -> None:
    (work / "old" / "X_train").mkdir()
    (work / "old" / "model.pth").write_text("weights")
    noted = {"form": owned.FORM, "paths": [path.name for path in (work / "old").iterdir()]}
    (work / "old" / owned.OWNED).write_text(json.dumps(noted))
    key, _, path = setting.partition("=")
    words = [f"{key}: {path} is in", "--overwrite would empty"]
    refused(f"run --config run.yaml --out old --overwrite --set {setting}", words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("segment", ("segment",)),
        ("score --truth Y_test.csv.gz", ("--submission",)),
        ("score --truth Y_test.csv.gz --sub Y_test.csv.gz", ("--sub",)),
        ("run --out new", ("--config",)),
        ("run --config run.yaml --out new --seed -1", ("--seed", "0")),
        ("run --config run.yaml --out new --device gpu", ("--device", "gpu", "cuda")),
        ("predict --model m --images X_test --out new.json --device gpu", ("--device", "gpu")),
        (f"{MERGE} --score-threshold 2 --background keep", ("--score-threshold", "1")),
        ("submit --merged data/train.json --out new.csv --form wide", ("--form", "wide", "plain")),
        ("phantom --out new --size 10", ("--size", "64")),
    ],
)
def test_wrong_usage(fewshot: Call, work: Path, command: str, words: tuple[str, ...]) -> None:
    before = sorted(work.parent.rglob("*"))
    code, out, err = fewshot(*command.split())
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err
    assert sorted(work.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        "convert --images pipe --out new",
        "convert --images X_test --labels pipe --out new",
        "score --truth pipe --submission Y_test.csv.gz",
        "merge --predictions pipe --score-threshold 0.5 --background keep --out new.json",
        "run --config=pipe --out new",
        "run --config run.yaml --out new --set data.test_labels=pipe",
        "run --config run.yaml --out new --set detector.weights=pipe",
        "review pipe",
        "merge --predictions data/train.json --score-threshold 0.5 --background keep --out pipe",
    ],
)
def test_a_pipe_is_waited_for_by_no_command(refused: Refused, work: Path, command: str) -> None:
    os.mkfifo(work.parent / "pipe")
    (work / "pipe").symlink_to(work.parent / "pipe")
    refused(command, ("pipe: is no file but a pipe; give a file",))


def test_yaml_that_is_more_than_it_seems_is_refused(refused: Refused, work: Path) -> None:
    (work / "twice.yaml").write_text("seed: 1\ndata: {phantom: {}}\nseed: 2\n")
    refused("run --config twice.yaml --out new", ("twice.yaml: not valid YAML", "line 3", "'seed'"))
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (work / "bomb.yaml").write_text("a0: &a0 [x]\n" + "\n".join(lines))
    refused("run --config bomb.yaml --out new", ("stands for more than 10000 values",))
    refused(f"run --config run.yaml --out new --set data={'[' * 5000}", ("not valid YAML",))
    (work / "zero.yaml").symlink_to("/dev/zero")
    refused("run --config zero.yaml --out new", ("zero.yaml: is no file but a device",))


@pytest.mark.parametrize(
    "command",
    [
        "submit --merged data/train.json --out run.yaml/new.csv",
        "convert --images X_test --out run.yaml/new",
    ],
)
def test_failed_work_is_another_exit_code(fewshot: Call, work: Path, command: str) -> None:
    before = sorted(work.parent.rglob("*"))
    code, out, err = fewshot(*command.split())
    assert (code, out) == (1, "")
    assert err.startswith("error: run.yaml/new")
    assert "cannot be written" in err
    assert sorted(work.parent.rglob("*")) == before
