"""The whole pipeline on a miniature phantom, with real Detectron2, and what a second run does."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.config.load import dump_settings, load_settings, parse_settings
from fewshot.config.tree import RunSettings
from fewshot.errors import FewshotError, InputError
from fewshot.importing.datasets import phantom_files
from fewshot.masks.coco import read_coco
from fewshot.metrics.slice_metrics import METRICS
from fewshot.pipeline.run import UNCHANGED, run, status
from fewshot.report.page import report_run
from fewshot.run import owned
from fewshot.slices.label_csv import read_label_csv
from fewshot.submission.scoring import score_submission

pytestmark = pytest.mark.slow

TREE: Mapping[str, Any] = {
    "data": {"phantom": {"size": 64, "labelled": 6, "unlabelled": 5, "test": 3}},
    "device": "cpu",
    "detector": {"batch_size": 2, "max_masks": 15},
    "training": {"evaluation_period": 0},
    "radiologists": [
        {"name": "rough", "learning_rate": 0.002, "iterations": 3, "score_threshold": 0.06},
        {"name": "steady", "learning_rate": 0.001, "iterations": 4, "score_threshold": 0.06},
        {"name": "fine", "learning_rate": 0.0005, "iterations": 5, "score_threshold": 0.06},
    ],
    "final": {"learning_rate": 0.001, "iterations": 5},
    "control": True,
}
# Looked for in the status of a run: everything after the soft labels' thresholds.
AFTER_SOFT_LABELS = {
    "soft labels",
    "train final",
    "predict final",
    "calibrate final",
    "merge",
    "submit",
    "score",
    "report",
}


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    return parse_settings(TREE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, settings: RunSettings) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    run(settings, out)
    return out


def test_a_run_leaves_what_scripts_depend_on(done: Path, settings: RunSettings) -> None:
    metrics = json.loads((done / "metrics.json").read_text())
    contenders = {"watershed", "rough", "steady", "fine", "final", "control"}
    assert set(metrics["test"]) == set(metrics["validation"]) == contenders
    assert metrics["answer"]["resampled_by"] == "group"
    assert (done / "report.html").stat().st_size > 1000
    soft = read_coco(done / "soft_labels" / "annotations.json")
    assert len(soft) == 5
    resolved = load_settings(done / "config.resolved.yaml")
    assert resolved.radiologists == settings.radiologists
    for folder in ("data", "radiologists/rough", "soft_labels", "final", "score"):
        record = json.loads((done / folder / "stage.json").read_text())
        assert {"settings", "inputs", "outputs", "environment"} <= set(record)


def test_the_submission_scores_as_the_metrics_say(done: Path) -> None:
    answer = json.loads((done / "metrics.json").read_text())["answer"]
    report = score_submission(done / "phantom" / "Y_test.csv.gz", done / "submission.csv")
    for name in METRICS:
        assert report.scores.mean(name) == pytest.approx(answer[name], abs=1e-12)


def test_the_submission_is_oriented_like_the_labels(done: Path) -> None:
    """A region of the merged masks lies where the CSV, read as (h, w), has that region."""
    merged = read_coco(done / "merged" / "test.json")
    table = read_label_csv(done / "submission.csv")
    for record in merged.records:
        label_map = table.label_map(record.file_name, record.height, record.width)
        masks = merged.masks_of(record.image_id).decode()
        np.testing.assert_array_equal(masks.any(axis=0), label_map > 0)


def test_a_finished_run_is_skipped_and_its_files_stay(done: Path, settings: RunSettings) -> None:
    before = (done / "submission.csv").stat().st_mtime_ns
    run(settings, done, "resume")
    assert (done / "submission.csv").stat().st_mtime_ns == before


@pytest.fixture
def to_be_changed(done: Path, tmp_path: Path) -> Path:
    """The run, copied elsewhere."""
    return Path(shutil.copytree(done, tmp_path / "copied"))


def test_a_copied_run_is_as_done_as_the_first_and_reads_its_own_images(
    done: Path, to_be_changed: Path, settings: RunSettings
) -> None:
    assert {reason for _, reason in status(settings, to_be_changed)} == {UNCHANGED}
    for path in to_be_changed.rglob("*.json"):
        assert str(done) not in path.read_text(), path
    for name in ("data/train.json", "soft_labels/annotations.json", "predictions/final/test.json"):
        assert read_coco(to_be_changed / name).images.is_relative_to(to_be_changed)


def test_a_run_of_the_first_release_says_what_is_done_again_and_why(
    to_be_changed: Path, settings: RunSettings
) -> None:
    """Its records have absolute paths and one digest of all code."""
    for path in to_be_changed.rglob("stage.json"):
        record = json.loads(path.read_text())
        record["inputs"] = {
            str(to_be_changed / role): one for role, one in record["inputs"].items()
        }
        record["code"] = "98f884065d3ab98c"
        record["environment"]["fewshot"] = "0.1.0"
        path.write_text(json.dumps(record))
    reasons = {reason for _, reason in status(settings, to_be_changed)}
    assert reasons == {"done by fewshot 0.1.0, whose records do not say which code a stage used"}
    (to_be_changed / "config.resolved.yaml").write_text("live: {tensorboard: true}")
    with pytest.raises(InputError, match=r"other settings than this release knows.*run --resume"):
        report_run(to_be_changed)


def test_a_changed_threshold_runs_exactly_what_follows(to_be_changed: Path) -> None:
    records = {path: path.read_text() for path in to_be_changed.rglob("stage.json")}
    # All three, since so small a run may deal every slice to one or two of them.
    names = [one["name"] for one in TREE["radiologists"]]
    changed = parse_settings(TREE, [f"radiologists.{name}.score_threshold=0.9" for name in names])
    run(changed, to_be_changed, "resume")
    redone = {
        path.parent.relative_to(to_be_changed).as_posix()
        for path, record in records.items()
        if path.read_text() != record
    }
    assert {"soft_labels", "final", "predictions/final"} <= redone
    assert not redone & {
        "phantom",
        "data",
        "radiologists/rough",
        "weights",
        "control",
        "predictions/rough",
    }


def test_a_second_process_is_refused_and_changes_nothing(
    to_be_changed: Path, settings: RunSettings
) -> None:
    before = (to_be_changed / "metrics.json").stat().st_mtime_ns
    hold = "import sys, time; from pathlib import Path; from fewshot.lock import locked\n"
    hold += "with locked(Path(sys.argv[1])): print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", hold, str(to_be_changed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for mode in ("resume", "overwrite", "new"):
            with pytest.raises(FewshotError, match=rf"process {other.pid} on .*, since 20"):
                run(settings, to_be_changed, mode)
        other.kill()
    assert (to_be_changed / "metrics.json").stat().st_mtime_ns == before
    # The killed process left its lock, and perhaps half a file.
    (to_be_changed / "merged" / ".test.json.abc.fewshot.part").write_text("half")
    run(settings, to_be_changed, "resume")
    assert [path.name for path in to_be_changed.rglob(".*")] == [".fewshot.json"]


def test_the_same_seed_gives_the_same_bytes(
    done: Path, settings: RunSettings, tmp_path: Path
) -> None:
    run(settings, tmp_path / "again")
    for name in ("submission.csv", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (done / name).read_bytes()


def test_status_says_what_would_run(done: Path, settings: RunSettings, tmp_path: Path) -> None:
    reasons = dict(status(settings, tmp_path))
    assert set(reasons.values()) == {"not done yet"}
    assert set(reasons) >= AFTER_SOFT_LABELS


@pytest.mark.parametrize("mode", ["new", "overwrite", "resume"])
def test_a_folder_that_is_no_run_is_left_alone(
    settings: RunSettings, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=str(tmp_path)):
        run(settings, tmp_path, mode)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("mode", ["overwrite", "resume"])
def test_a_project_with_a_settings_file_of_that_name_is_no_run(
    settings: RunSettings, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "config.resolved.yaml").write_text(dump_settings(settings))
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not a run directory"):
        run(settings, tmp_path, mode)  # type: ignore[arg-type]
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_run_with_anything_else_in_it_is_not_emptied(done: Path, settings: RunSettings) -> None:
    before = sorted(done.rglob("*"))
    owned.refuse_others(done)
    (done / "final" / "notes.txt").write_text("a person's")
    with pytest.raises(InputError, match=r"final/notes\.txt: was not written by a run"):
        run(settings, done, "overwrite")
    (done / "final" / "notes.txt").unlink()
    assert sorted(done.rglob("*")) == before


def test_no_soft_labels_at_all_is_a_warning_and_the_run_goes_on(
    done: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sure = [f"radiologists.{name}.score_threshold=0.999" for name in ("rough", "steady", "fine")]
    short = [f"radiologists.{name}.iterations=1" for name in ("rough", "steady", "fine")]
    shorter = [*sure, *short, "final.iterations=2", "control=false"]
    metrics = run(parse_settings(_on_files(done / "phantom"), shorter), tmp_path / "run")
    assert "no soft labels: the final model" in capfd.readouterr().err.replace("\n", " ")
    assert "control" not in metrics["test"]
    assert (tmp_path / "run" / "submission.csv").is_file()

    # The same data, mounted elsewhere: nothing is done again, and what is reads them there.
    mounted = Path(shutil.copytree(done / "phantom", tmp_path / "mounted"))
    settings = parse_settings(_on_files(mounted), shorter)
    assert {reason for _, reason in status(settings, tmp_path / "run")} == {UNCHANGED}
    (tmp_path / "run" / "score" / "stage.json").unlink()
    assert run(settings, tmp_path / "run", "resume") == metrics
    images = read_coco(tmp_path / "run" / "data" / "train.json").images
    assert images == tmp_path / "run" / "images" / "train"
    assert images.resolve() == mounted / "X_train"


def _on_files(folder: Path) -> Mapping[str, Any]:
    """The settings of the miniature run on files like those of a user."""
    data = {key: str(path) for key, path in phantom_files(folder).items()}
    return {**TREE, "data": data}
