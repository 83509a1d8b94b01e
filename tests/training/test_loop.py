"""The loop with a network of every kind, in miniature: exact resume, finished models, curves."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fewshot.config.network import ScheduleSettings
from fewshot.errors import InputError
from fewshot.files import read_json, read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.slices.images import read_image, write_image
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.job import TrainingJob
from fewshot.training.loop import train
from fewshot.training.model_folder import CHECKPOINT, CURVES, describe_model
from fewshot.training.sampling import TrainingSource
from tests.training.conftest import ITERATIONS, KINDS, MakeTask, content, stop_at, task_of

MakeJob = Callable[..., TrainingJob]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    kind: str, make_task: MakeTask, tmp_path: Path
) -> None:
    """The same bytes with a running mean, wherever it stopped or was told to stop."""
    ema = 0.9
    whole = train(make_task(kind, {"ema": ema}), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(make_task(kind, {"ema": ema}), tmp_path / "parts", stop_at(3))
    assert load_checkpoint(tmp_path / "parts" / CHECKPOINT)["progress"]["iteration"] == 2
    seen: list[int] = []
    train(make_task(kind, {"ema": ema}), tmp_path / "parts", lambda done, _: seen.append(done))
    assert seen == [3, 4]
    assert not (tmp_path / "parts" / CHECKPOINT).exists()
    stretch = train(make_task(kind, {"ema": ema}), tmp_path / "stretches", stop_after=1)
    assert stretch.iteration == 1
    assert not (tmp_path / "stretches" / "model.json").exists()
    last = train(make_task(kind, {"ema": ema}), tmp_path / "stretches", stop_after=9)
    assert (last.best, last.best_iteration) == (whole.best, whole.best_iteration)
    expected = content(tmp_path / "whole")
    assert content(tmp_path / "parts") == expected
    assert content(tmp_path / "stretches") == expected


@every_kind
def test_a_models_folder_says_what_it_is(kind: str, make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task(kind)
    found = train(task, tmp_path)
    described = describe_model(tmp_path)
    assert (described.kind, described.name, described.iterations) == (kind, "steady", ITERATIONS)
    assert described.validation == found.best
    assert described.settings == task.job.settings.identity("prediction")
    assert read_json(tmp_path / "time.json").keys() == {"seconds", "cpu_seconds"}


@every_kind
def test_curves_hold_every_iteration_and_the_validation(
    kind: str, make_task: MakeTask, tmp_path: Path
) -> None:
    task = make_task(kind)
    found = train(task, tmp_path)
    curves = read_json_lines(tmp_path / CURVES)
    assert [line["iteration"] for line in curves] == list(range(ITERATIONS))
    assert all({"total_loss", "lr"} <= line.keys() for line in curves)
    losses = [{k: v for k, v in line.items() if k.startswith("loss_")} for line in curves]
    assert all(
        sum(parts.values()) == pytest.approx(line["total_loss"])
        for parts, line in zip(losses, curves, strict=True)
    )
    score = task.kept_score or "ap"
    judged = [line["iteration"] for line in curves if f"validation/{score}" in line]
    assert judged == [2, 3]
    if task.kept_score is None:
        assert found.best[score] == curves[-1][f"validation/{score}"]
    else:
        scores = [found.before[score], *(curves[place][f"validation/{score}"] for place in judged)]
        assert found.best[score] == max(scores)
        assert found.best_iteration == (0, 3, 4)[scores.index(max(scores))]


@every_kind
def test_a_whole_model_of_the_same_job_is_kept(
    kind: str, make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(kind, schedule=ScheduleSettings(iterations=1))
    first = train(task_of(job), tmp_path)
    expected = content(tmp_path)
    seen: list[int] = []
    again = train(task_of(job), tmp_path, lambda done, _: seen.append(done))
    assert (again.best, again.before, seen) == (first.best, first.before, [])
    with pytest.raises(InputError, match="already contains a model trained with other settings"):
        train(task_of(replace(job, seed=6)), tmp_path, replace=False)
    # Damaged in any file it is trained again.
    for name in ("model.pth", CURVES, "model.json"):
        damaged = content(tmp_path)[name]
        (tmp_path / name).write_bytes(damaged[:-5] + b"wrong")
        seen.clear()
        train(task_of(job), tmp_path, lambda done, _: seen.append(done))
        assert seen == [1]
        assert content(tmp_path) == expected


@every_kind
def test_a_checkpoint_of_another_job_is_not_continued(
    kind: str, make_job: MakeJob, spoilable: SliceSet, tmp_path: Path
) -> None:
    """Nor one of other pixels: names, sizes and masks are the same, only a file changed."""
    source = TrainingSource(spoilable.subset([0, 1]))
    job = make_job(kind, sources=[source])
    with pytest.raises(KeyboardInterrupt):
        train(task_of(job), tmp_path / "out", stop_at(3))
    with pytest.raises(InputError, match="is of other settings, slices or another version"):
        train(task_of(replace(job, seed=6)), tmp_path / "out", replace=False)
    first = spoilable.path_of(spoilable.records[0])
    write_image(first, 255 - read_image(first))
    seen: list[int] = []
    train(task_of(job), tmp_path / "out", lambda done, _: seen.append(done))
    assert seen[0] == 1


@every_kind
def test_a_checkpoint_of_the_same_job_that_was_damaged_is_one_line(
    kind: str, make_task: MakeTask, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(make_task(kind), tmp_path, stop_at(3))
    path = tmp_path / CHECKPOINT
    for change, words in (
        ({"progress": None}, "progress is nothing"),
        ({"progress": {"iteration": 2}}, "progress has no seconds"),
        (
            {"recovery": {"part_size": "x", "lowered": 0, "incidents": []}},
            "recovery.part_size is a value",
        ),
        ({"network": {}}, "network has no "),
        ({"schedule": None}, "schedule is nothing"),
    ):
        torch.save({**load_checkpoint(path), **change}, tmp_path / "damaged.pth")
        kept = path.read_bytes()
        (tmp_path / "damaged.pth").replace(path)
        with pytest.raises(InputError, match=rf"is damaged inside: {words}.*; delete it") as told:
            train(make_task(kind), tmp_path)
        assert len(str(told.value).splitlines()) == 1
        path.write_bytes(kept)
    content = load_checkpoint(path)
    content["progress"]["iteration"] = 10**9
    torch.save(content, path)
    with pytest.raises(InputError, match="it is of iteration 1000000000"):
        train(make_task(kind), tmp_path)


def test_a_kill_right_after_a_checkpoint_loses_no_line_of_the_curves(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The curves are on the disk before the checkpoint that follows from them."""
    lines: list[int] = []
    synced: list[str] = []
    true = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        true(descriptor)

    def save(path: Path, state: dict[str, Any]) -> None:
        lines.append(len(read_json_lines(path.parent / CURVES)) - state["progress"]["iteration"])
        assert synced[-1:] == [CURVES]
        synced.clear()

    monkeypatch.setattr("fewshot.training.loop.save_checkpoint", save)
    monkeypatch.setattr(os, "fsync", fsync)
    train(make_task("semantic"), tmp_path, stop_after=3)
    assert lines == [0, 0]


# torch counts the processors that this process may use.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@every_kind
def test_workers_change_nothing(kind: str, make_task: MakeTask, tmp_path: Path) -> None:
    short = ScheduleSettings(iterations=2)
    train(make_task(kind, schedule=short), tmp_path / "none")
    train(make_task(kind, {"workers": 2}, schedule=short), tmp_path / "two")
    assert content(tmp_path / "two") == content(tmp_path / "none")


@pytest.mark.parametrize("workers", [0, 1])
@every_kind
def test_a_slice_that_is_gone_is_one_line_from_any_process(
    kind: str, workers: int, make_job: MakeJob, spoilable: SliceSet, tmp_path: Path
) -> None:
    source = TrainingSource(spoilable.subset([0, 1]))
    job = make_job(kind, {"workers": workers}, sources=[source])

    def lose(done: int, _note: str) -> None:
        for path in spoilable.images.iterdir():
            path.unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"\d\.png: no such image") as caught:
        train(task_of(job), tmp_path / "out", lose)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_trained_are_in_no_checkpoint(
    make_task: MakeTask, tmp_path: Path
) -> None:
    """They are those of the start, and may be most of a large network."""
    with pytest.raises(KeyboardInterrupt):
        train(make_task("sam", {"train": "decoder"}), tmp_path, stop_at(3))
    names: Any = load_checkpoint(tmp_path / CHECKPOINT)["network"].keys()
    parts = {name.partition(".")[0] for name in names}
    assert "mask_decoder" in parts
    assert "image_encoder" not in parts


def test_a_training_leaves_the_processors_arithmetic_alone(
    make_task: MakeTask, tmp_path: Path
) -> None:
    """Denormal numbers are flushed to zero only while it trains."""
    denormal = torch.tensor([1e-310], dtype=torch.float64)
    train(make_task("semantic", schedule=ScheduleSettings(iterations=1)), tmp_path)
    assert float(denormal / 2) > 0
