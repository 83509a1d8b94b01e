"""A job of every kind of network that trains in seconds: what holds for one has to hold for all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.config.network import LoopSettings, NetworkSettings, ScheduleSettings
from fewshot.config.sam import FinetuneLoopSettings, FinetuneSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.detector.training import DetectorTask
from fewshot.masks.coco import SliceSet
from fewshot.sam.finetuning import FinetuneTask
from fewshot.semantic.training import SemanticTask
from fewshot.training.job import TrainingJob
from fewshot.training.sampling import TrainingSource
from fewshot.training.task import TrainingTask

KINDS = ("mask_rcnn", "semantic", "sam")
ITERATIONS = 4
Task = TrainingTask[Any, Any]
MakeTask = Callable[..., Task]

_TASKS: dict[str, Callable[[TrainingJob], Task]] = {
    "mask_rcnn": DetectorTask,
    "semantic": SemanticTask,
    "sam": FinetuneTask,
}
_LOOPS = {"sam": FinetuneLoopSettings}
_COMMON = {"batch_size": 2}
LOOP = {"evaluation_period": 3, "checkpoint_period": 2}
SETTINGS: dict[str, NetworkSettings] = {
    "mask_rcnn": DetectorSettings.model_validate({**_COMMON, "weights": "none", "max_masks": 5}),
    "semantic": SemanticSettings.model_validate({**_COMMON, "encoder": "tu-mobilenetv3_small_050"}),
    "sam": FinetuneSettings.model_validate({**_COMMON, "train": "all", "prompts": "whole"}),
}


def task_of(job: TrainingJob) -> Task:
    """Return what the loop trains for a job of any kind."""
    return _TASKS[job.settings.kind](job)


@pytest.fixture(scope="session")
def make_job(miniature: SliceSet, gentle: AugmentationSettings) -> Callable[..., TrainingJob]:
    """`make_job("semantic", {"ema": 0.9}, seed=6)` → a job with settings and fields changed.

    Settings of the loop, such as `workers`, are given beside the network's.
    """
    few = [masks.select(np.argsort(-masks.areas(), kind="stable")[:2]) for masks in _all(miniature)]
    slices = miniature.with_masks(few)

    def make(kind: str, settings: dict[str, Any] | None = None, **changes: Any) -> TrainingJob:
        own, given = SETTINGS[kind], settings or {}
        loop = {key: given[key] for key in given if key in LoopSettings.model_fields}
        network = {key: given[key] for key in given if key not in loop}
        job = TrainingJob(
            name="steady",
            settings=type(own).model_validate({**own.model_dump(), **network}),
            loop=_LOOPS.get(kind, LoopSettings).model_validate({**LOOP, **loop}),
            device="cpu",
            augmentation=gentle,
            schedule=ScheduleSettings(learning_rate=0.001, iterations=ITERATIONS),
            seed=5,
            sources=[TrainingSource(slices.subset([0, 1, 3]))],
            validation=slices.subset([2]),
        )
        return replace(job, **changes)

    return make


@pytest.fixture(scope="session")
def make_task(make_job: Callable[..., TrainingJob]) -> MakeTask:
    """`make_task("sam", …)` → what the loop trains; see `make_job`."""
    return lambda *arguments, **changes: task_of(make_job(*arguments, **changes))


def stop_at(iteration: int) -> Callable[[int, str], None]:
    """Return a progress function that is a user who interrupts after an iteration."""

    def stop(done: int, _note: str) -> None:
        if done == iteration:
            raise KeyboardInterrupt

    return stop


def content(folder: Path) -> dict[str, bytes]:
    """Return all that a model's folder says of the model, and none of how long it took."""
    names = ("model.json", "model.pth", "training.jsonl")
    return {name: (folder / name).read_bytes() for name in names}


def _all(slices: SliceSet) -> list[Any]:
    return [slices.masks_of(record.image_id) for record in slices.records]
