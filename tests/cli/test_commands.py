"""What scripts depend on: every command alone on files, one JSON object, exit codes 0, 1 and 2."""

import gzip
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from fewshot.masks.coco import read_coco
from fewshot.pipeline import training
from fewshot.slices.label_csv import read_label_csv

Call = Callable[..., tuple[int, str, str]]

SETTINGS = """\
data: {phantom: {}}
detector: {batch_size: 2}
training: {evaluation_period: 0}
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 2, score_threshold: 0.06}
  - {name: steady, learning_rate: 0.001, iterations: 2, score_threshold: 0.06}
  - {name: fine, learning_rate: 0.0005, iterations: 3, score_threshold: 0.06}
final: {learning_rate: 0.001, iterations: 90}
"""
NAMES = {"rough", "steady", "fine"}


@pytest.fixture
def answer(fewshot: Call) -> Callable[[str], dict[str, Any]]:
    """`answer("command --with options")` → the JSON object that the command printed."""

    def call(command: str) -> dict[str, Any]:
        code, out, err = fewshot(*command.split(), "--json")
        assert code == 0, err
        return the_object(out)

    return call


def the_object(out: str) -> dict[str, Any]:
    """Return the one JSON object that is all of the standard output."""
    assert len(out.splitlines()) == 1, out
    value = json.loads(out)
    assert isinstance(value, dict)
    return value


@pytest.mark.slow
def test_every_stage_works_alone_on_files(
    answer: Callable[[str], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("settings.yaml").write_text(SETTINGS)
    model = "--config settings.yaml --set final.iterations=3 --device cpu --seed 1"

    made = answer("phantom --out ph --size 64 --labelled 6 --unlabelled 4 --test 3")
    assert (made["labelled"], made["unlabelled"], made["test"]) == (6, 4, 3)
    assert made["train_images"] == "ph/X_train"
    parts = answer("convert --images ph/X_train --labels ph/Y_train.csv.gz --out data")
    assert parts["train"] + parts["validation"] == 6
    assert parts["unlabelled"] == 4
    test = "convert --images ph/X_test --labels ph/Y_test.csv.gz --test --out test"
    assert answer(test)["test"] == 3

    weights = answer(f"train-radiologists --data data --out radiologists {model}")["weights"]
    assert set(weights) == NAMES
    assert sum(weights.values()) == pytest.approx(1)
    audit = answer(f"soft-label --data data --radiologists radiologists --out soft {model}")
    assert audit["slices"] == 4
    soft = read_coco(Path("soft/annotations.json"))
    for record in soft.records:
        masks = soft.masks_of(record.image_id)
        assert set(masks.sources) <= NAMES
        assert (masks.scores >= np.float32(0.06)).all()
    final = "train-final --data data --soft-labels soft/annotations.json --out final"
    described = answer(f"{final} {model}")
    assert (described["name"], described["iterations"]) == ("final", 3)

    predict = "predict --model final --device cpu"
    found = answer(f"{predict} --data test/test.json --out test_predictions.json")
    assert found["images"] == 3
    assert answer(f"{predict} --images ph/X_test --out same.json")["masks"] == found["masks"]
    assert Path("same.json").read_bytes() == Path("test_predictions.json").read_bytes()
    drawn = answer(f"{predict} --images ph/X_test --refine-with final --out drawn.json")
    assert drawn["masks"] == found["masks"]
    answer(f"{predict} --data data/validation.json --out validation_predictions.json")

    merge = "merge --predictions test_predictions.json"
    given = answer(f"{merge} --score-threshold 0.1 --min-area 5 --background keep --out given.json")
    assert given == {"score_threshold": 0.1, "min_area": 5, "background": "keep"}
    truth = "--truth data/validation.json --truth-predictions validation_predictions.json"
    chosen = answer(f"{merge} {truth} --metric all --out chosen.json")
    assert set(chosen) == set(given)
    fixed = answer(f"{merge} {truth} --background nearest --score-threshold 0.2 --out fixed.json")
    assert (fixed["background"], fixed["score_threshold"]) == ("nearest", 0.2)
    assert_no_overlaps(Path("given.json"))

    answer("submit --merged given.json --out named.csv")
    answer("submit --merged given.json --out plain.csv --form plain")
    assert Path("named.csv").read_text().startswith(",0.png,1.png,2.png\nPixel 0,")
    assert Path("plain.csv").read_text().startswith(",0,1,2\n0,")
    for file in ("named.csv", "plain.csv", "given.json"):
        verdict = answer(f"validate {file} --images ph/X_test")
        assert (verdict["valid"], verdict["findings"]) == (True, [])
    scores = answer("score --truth ph/Y_test.csv.gz --submission named.csv")
    assert answer("score --truth ph/Y_test.csv.gz --submission plain.csv") == scores
    assert_scored_as_by_scikit_learn(scores, Path("ph/Y_test.csv.gz"), Path("named.csv"))


def assert_no_overlaps(merged: Path) -> None:
    slices = read_coco(merged)
    for record in slices.records:
        assert slices.masks_of(record.image_id).decode().sum(axis=0).max(initial=0) <= 1


def assert_scored_as_by_scikit_learn(
    scores: Mapping[str, Any], truth: Path, submission: Path
) -> None:
    assert {"ari_foreground", "ari_all", "images", "per_image"} <= set(scores)
    true, submitted = read_label_csv(truth), read_label_csv(submission)
    everything, foreground = [], []
    for name, labels, answered in zip(true.names, true.pixels, submitted.pixels, strict=True):
        inside = labels > 0
        everything.append(adjusted_rand_score(labels, answered))
        foreground.append(adjusted_rand_score(labels[inside], answered[inside]))
        one = scores["per_image"][name]
        assert one["ari_all"] == pytest.approx(everything[-1], abs=1e-12)
        assert one["ari_foreground"] == pytest.approx(foreground[-1], abs=1e-12)
    assert scores["images"] == len(true.names)
    assert scores["ari_all"] == pytest.approx(np.mean(everything), abs=1e-12)
    assert scores["ari_foreground"] == pytest.approx(np.mean(foreground), abs=1e-12)


@pytest.mark.slow
def test_one_radiologist_can_be_trained_alone(
    answer: Callable[[str], dict[str, Any]], work: Path
) -> None:
    one = "--only fine --set radiologists.fine.iterations=1 --set detector.batch_size=1"
    described = answer(f"train-radiologists --data data --out models --device cpu {one}")
    assert (described["name"], described["iterations"]) == ("fine", 1)
    assert {path.name for path in Path("models").iterdir()} == {"fine", "tensorboard"}


@pytest.mark.slow
def test_interrupted_trainings_go_on_in_the_same_folder(
    fewshot: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train-radiologists", "--config", "run.yaml", "--data", "data", "--out", "models"]
    train = training.train_model
    trained: list[str] = []

    def stop_at_the_last(
        model: training.PlannedTraining, folder: Path, logs: Path, **options: Any
    ) -> None:
        if model.job.name == "fine":
            os.kill(os.getpid(), signal.SIGINT)
        train(model, folder, logs, **options)
        trained.append(model.job.name)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train_model", stop_at_the_last)
        code, _, err = fewshot(*command)
    assert (code, trained) == (130, ["rough", "steady"])
    assert "give the same command again" in err
    assert not list(Path("models").glob(".*"))
    before = Path("models/rough/model.pth").stat().st_mtime_ns
    code, _, err = fewshot(*command, "--workers", "0")
    assert code == 0
    assert "rough: is already trained" in err
    assert Path("models/rough/model.pth").stat().st_mtime_ns == before
    assert set(json.loads(Path("models/weights.json").read_text())["weights"]) == NAMES
    # Other settings are another model, which does not take the place of this one.
    code, _, err = fewshot(*command, "--seed", "3")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "models/rough: already contains a model" in err


@pytest.mark.slow
def test_demo_runs_everything_and_its_settings_run_again(
    answer: Callable[[str], dict[str, Any]],
    fewshot: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    phantom = {"size": 64, "labelled": 4, "unlabelled": 2, "test": 2}
    sizes = [f"--set data.phantom.{key}={value}" for key, value in phantom.items()]
    models = [f"radiologists.{name}" for name in sorted(NAMES)] + ["final"]
    short = [f"--set {model}.iterations=1" for model in models]
    metrics = answer(f"demo --out run {' '.join(sizes + short)} --set detector.batch_size=2")
    assert set(metrics["test"]) == {"watershed", *NAMES, "final"}
    for name in ("submission.csv", "metrics.json", "report.html", "config.resolved.yaml"):
        assert Path("run", name).is_file()
    assert json.loads(Path("run/metrics.json").read_text()) == metrics
    assert Path("run/soft_labels/annotations.json").is_file()

    # Where there is no GPU, the device `auto` is the CPU that the demo ran on.
    device = "cpu" if torch.cuda.is_available() else "auto"
    again = "run --config run/config.resolved.yaml --out run"
    stages = answer(f"{again} --device {device} --resume --dry-run")["stages"]
    assert {stage["status"] for stage in stages} == {"done and unchanged"}
    assert answer(f"{again} --resume") == metrics
    stages = answer(f"{again} --resume --dry-run --seed 5 --control")["stages"]
    reasons = {stage["stage"]: stage["status"] for stage in stages}
    assert reasons["train control"] == "not done yet"
    assert reasons["data"] == reasons["train rough"] == "its settings changed (seed)"
    stages = answer(f"{again} --overwrite --dry-run")["stages"]
    assert {stage["status"] for stage in stages} == {"the directory is emptied first"}

    code, out, err = fewshot(*again.split(), "--resume")
    assert (code, out) == (0, "")
    for words in ("watershed", "final", "submission.csv", "report.html"):
        assert words in err


def test_dry_run_says_what_would_run_and_writes_nothing(fewshot: Call, work: Path) -> None:
    code, out, err = fewshot("run", "--config", "run.yaml", "--out", "new", "--dry-run")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "data: run, not done yet"
    assert not Path("new").exists()


def test_score_for_people(fewshot: Call, work: Path) -> None:
    truth = "Y_test.csv.gz"
    code, out, err = fewshot("score", "--truth", truth, "--submission", truth)
    assert (code, err) == (0, "")
    assert "mean of 3 images" in out
    assert "foreground" in out
    assert "1.0000" in out


@pytest.mark.parametrize(
    ("file", "valid", "words"),
    [
        ("data/train.json", True, "COCO, 3 slices"),
        ("Y_train.csv.gz", True, "label table"),
        # Missing pixels, an image that the folder does not have, and half a COCO file.
        ("short.csv", False, "pixel rows"),
        ("moved.json", False, "not in"),
        ("half.json", False, "broken JSON"),
    ],
)
def test_validate_says_what_is_wrong(
    fewshot: Call, work: Path, file: str, valid: bool, words: str
) -> None:
    with gzip.open("Y_train.csv.gz", "rt") as labels:
        Path("short.csv").write_text("".join(labels.readlines()[:-3]))
    coco = Path("data/train.json").read_text()
    Path("moved.json").write_text(coco.replace("/X_train", "/nowhere"))
    Path("half.json").write_text(coco[: len(coco) // 2])

    code, out, err = fewshot("validate", file)
    assert (code, err) == (0 if valid else 2, "")
    assert file.removesuffix(".gz") in out
    assert words in out
    code, out, err = fewshot("validate", file, "--json")
    assert (code, err) == (0 if valid else 2, "")
    verdict = the_object(out)
    assert verdict["valid"] is valid
    assert bool(verdict["findings"]) is not valid
