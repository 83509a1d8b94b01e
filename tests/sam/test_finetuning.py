"""Fine-tuning: what is trained, kept and refused; what holds for all kinds is in tests/training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.config.network import ScheduleSettings
from fewshot.config.sam import FinetuneLoopSettings, FinetuneSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.errors import InputError
from fewshot.files import read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.sam.finetuning import FinetuneTask, check_folder
from fewshot.sam.model import load_sam
from fewshot.training.job import TrainingJob
from fewshot.training.loop import train
from fewshot.training.model_folder import CURVES, WEIGHTS, describe_model
from fewshot.training.sampling import TrainingSource

Start = Callable[..., FinetuneTask]


@pytest.fixture
def task(miniature: SliceSet, tiny_file: Path, tmp_path: Path) -> Start:
    """`task(train="decoder", iterations=4, …)` → what is to be trained, from the same start."""

    def start(
        iterations: int = 2,
        learning_rate: float = 0.0001,
        evaluation_period: int = 2,
        **settings: object,
    ) -> FinetuneTask:
        chosen = FinetuneSettings.model_validate({"batch_size": 1, **settings})
        job = TrainingJob(
            name="sam",
            settings=chosen,
            augmentation=AugmentationSettings(),
            schedule=ScheduleSettings(learning_rate=learning_rate, iterations=iterations),
            seed=0,
            sources=[TrainingSource(_largest(miniature.subset([0, 1, 5]), 2))],
            validation=_largest(miniature.subset([3]), 2),
            weights=tiny_file,
            loop=FinetuneLoopSettings(evaluation_period=evaluation_period),
            device="cpu",
        )
        return FinetuneTask(job, tmp_path / "embeddings")

    return start


def _largest(slices: SliceSet, count: int) -> SliceSet:
    """Return the slices with their largest masks only, which is less to learn from."""
    kept = []
    for record in slices.records:
        masks = slices.masks_of(record.image_id)
        kept.append(masks.select(np.argsort(-masks.areas(), kind="stable")[:count]))
    return slices.with_masks(kept)


def _changed(before: Path, now: Path) -> set[str]:
    """Return the parts of the network whose weights differ."""
    one, other = (load_sam(str(path), "cpu").network.state_dict() for path in (before, now))
    return {name.partition(".")[0] for name in one if not torch.equal(one[name], other[name])}


def test_the_decoder_alone_learns_and_the_best_is_kept(
    task: Start, tiny_file: Path, tmp_path: Path
) -> None:
    chosen = {"prompts": "whole", "warm_up": 0.2, "evaluation_period": 10}
    out = tmp_path / "out"
    found = train(task(iterations=20, learning_rate=2e-3, **chosen), out)
    assert found.best["dice"] > found.before["dice"] + 0.1
    lines = read_json_lines(out / CURVES)
    judged = {
        line["iteration"] + 1: line["validation/dice"]
        for line in lines
        if "validation/dice" in line
    }
    assert found.best["dice"] == max(judged.values()) == judged[found.best_iteration]
    assert _changed(tiny_file, out / WEIGHTS) == {"mask_decoder"}
    described = describe_model(out)
    assert described.validation == found.best
    assert (described.training["layout"], described.training["start"]) == ("tiny", "small")


@pytest.mark.parametrize("loss", ["dice+ce", "dice+focal"])
@pytest.mark.parametrize("prompts", ["whole", "points", "mix"])
def test_every_kind_of_prompt_trains(loss: str, prompts: str, task: Start, tmp_path: Path) -> None:
    found = train(task(loss=loss, prompts=prompts), tmp_path / "out")
    assert found.iteration == 2
    assert 0 <= found.before["dice"] <= 1


def test_the_prompt_encoder_is_not_trained(task: Start) -> None:
    weights = task(train="all").build().named_parameters()
    parts = {name.partition(".")[0] for name, value in weights if value.requires_grad}
    assert parts == {"image_encoder", "mask_decoder"}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    (tmp_path / CURVES).touch()
    check_folder(tmp_path)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="contains other files"):
        check_folder(tmp_path)


def test_without_labels_there_is_nothing_to_learn(task: Start, miniature: SliceSet) -> None:
    job = replace(task().job, sources=[TrainingSource(miniature.subset([5]))])
    with pytest.raises(InputError, match="training slices: contains no labelled slices"):
        FinetuneTask(job)
