"""Learning from slices without labels: what is shown and wanted, and real trainings with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.errors import InputError
from fewshot.files import read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.semantic.consistency import Consistency, recoloured, rectangles
from fewshot.semantic.data import Batch
from fewshot.semantic.training import SemanticTask
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.job import TrainingJob, identity
from fewshot.training.loop import train
from fewshot.training.model_folder import CHECKPOINT, CURVES

ON = {"ema": 0.9, "consistency": {"weight": 1.0, "burn_in": 0.0, "confidence_threshold": 0.5}}


class Bright(nn.Module):
    """Says how bright a pixel is: a mean whose answer is known. Output 1 is surer than output 0."""

    def forward(self, slices: Tensor) -> Tensor:
        return torch.cat([(slices - 128) / 20, (slices - 128) / 2], dim=1)


@pytest.fixture
def unlabelled_job(job: TrainingJob, miniature: SliceSet) -> TrainingJob:
    settings = SemanticSettings.model_validate({**job.settings.model_dump(), **ON})
    return replace(job, settings=settings, unlabelled=miniature.subset([3, 4, 5]))


def consistency(
    slices: SliceSet, settings: Any, iterations: int = 100, **changes: Any
) -> Consistency:
    values = {**settings.model_dump(), "ema": 0.9, "consistency": {"weight": 2.0, **changes}}
    own = SemanticSettings.model_validate(values)
    return Consistency(slices, own, AugmentationSettings(), seed=3, iterations=iterations)


def test_nothing_is_read_in_the_burn_in(miniature: SliceSet) -> None:
    settings = SemanticSettings(batch_size=2)
    task = consistency(miniature.subset([3, 4, 5]), settings, iterations=6, burn_in=0.5)
    read = [task.at(position) for position in range(12)]
    assert [sample is None for sample in read] == [True] * 8 + [False] * 4


def test_a_rectangle_is_pasted_of_a_tenth_to_half_a_slice() -> None:
    masks = rectangles(50, 40, 60, np.random.default_rng(0))[:, 0]
    for mask in masks:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None])
        for side in (rows, columns):
            assert int(side.int().diff().abs().sum()) + int(side[0]) + int(side[-1]) == 2
    share = masks.float().mean((1, 2))
    assert 0.08 < float(share.min()) < 0.2
    assert 0.4 < float(share.max()) < 0.55


def test_recolouring_changes_grey_levels_and_moves_nothing() -> None:
    slices = torch.zeros(8, 1, 32, 32)
    slices[:, :, 8:24, 8:24] = 200
    changed = recoloured(slices, np.random.default_rng(1))
    assert torch.equal(changed, recoloured(slices, np.random.default_rng(1)))
    inside, outside = changed[..., 10:22, 10:22], changed[..., :6, :]
    assert bool((inside.mean((1, 2, 3)) > outside.mean((1, 2, 3)) + 50).all())
    levels = inside.mean((1, 2, 3))
    assert len({round(float(level), 3) for level in levels}) == 8


def test_wanted_is_what_the_mean_says_of_the_slices_as_they_are(
    miniature: SliceSet, small_network: Any
) -> None:
    task = consistency(miniature, small_network(), confidence_threshold=0.9)
    slices = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    batch = Batch(slices, torch.zeros(3, 2, 32, 32), torch.ones(3, 1, 32, 32), ["a", "b", "c"])
    part = rectangles(3, 32, 32, np.random.default_rng([3, 2, 7]))
    plain = torch.where(part, slices[[2, 0, 1]], slices)
    found = task.task(Bright().train(), batch, 7)
    said = Bright()(plain).sigmoid()
    assert torch.equal(found.targets, (said > 0.5).float())
    sure = ((said > 0.9) | (said < 0.1)).all(1, keepdim=True)
    assert torch.equal(found.weights, sure.float())
    assert 0.3 < float(found.weights.mean()) < 0.9
    assert not torch.equal(found.slices, plain)
    again = task.task(Bright(), batch, 7)
    assert torch.equal(found.slices, again.slices)
    assert not torch.equal(found.slices, task.task(Bright(), batch, 8).slices)


def test_the_weight_climbs_after_the_burn_in(miniature: SliceSet, small_network: Any) -> None:
    task = consistency(miniature, small_network(), burn_in=0.2)
    assert [task.weight_at(done) for done in (0, 20, 45, 99)] == [0, 0, 2, 2]
    assert task.weight_at(30) == pytest.approx(2 * 0.1 / 0.25)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    unlabelled_job: TrainingJob, tmp_path: Path
) -> None:
    def stop(done: int, _note: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    train(SemanticTask(unlabelled_job), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(SemanticTask(unlabelled_job), tmp_path / "parts", stop)
    assert (tmp_path / "parts" / CHECKPOINT).is_file()
    train(SemanticTask(unlabelled_job), tmp_path / "parts")
    parts, whole = (read_json_lines(tmp_path / one / CURVES) for one in ("parts", "whole"))
    assert parts == whole
    assert "loss_consistency" not in whole[0]
    assert all(line["loss_consistency"] > 0 for line in whole[1:])
    assert all(
        line["total_loss"]
        == pytest.approx(line["loss_dice"] + line["loss_bce"] + line["loss_consistency"], abs=1e-5)
        for line in whole[1:]
    )


def test_masks_of_unlabelled_slices_are_not_looked_at(
    unlabelled_job: TrainingJob, tmp_path: Path
) -> None:
    slices = unlabelled_job.unlabelled
    assert slices is not None
    bare = replace(unlabelled_job, unlabelled=replace(slices, masks={}))
    other = replace(unlabelled_job, unlabelled=slices.subset([4, 5]))
    jobs = {"masks": unlabelled_job, "bare": bare, "other": other}
    for name, one in jobs.items():
        train(SemanticTask(one), tmp_path / name)
    curves = {name: read_json_lines(tmp_path / name / CURVES) for name in jobs}
    assert curves["masks"] == curves["bare"]
    assert curves["masks"] != curves["other"]
    assert len({identity(one, [], "fewshot.training.loop") for one in jobs.values()}) == 3
    kept = [load_checkpoint(tmp_path / name / "model.pth")["model"] for name in ("masks", "bare")]
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_what_cannot_be_is_said(unlabelled_job: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs unlabelled slices"):
        SemanticTask(replace(unlabelled_job, unlabelled=None))
    with pytest.raises(ValidationError, match="average of the weights"):
        SemanticSettings.model_validate({"consistency": {"weight": 1.0}})
    assert not any(tmp_path.iterdir())
