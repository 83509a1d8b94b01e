from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.config.sam import FinetuneSettings
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json, read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.sam.finetune_job import FinetuneJob
from fewshot.sam.finetuning import finetune
from fewshot.sam.model import load_sam

Start = Callable[..., FinetuneJob]


@pytest.fixture
def job(miniature: SliceSet, tiny_file: Path, tmp_path: Path) -> Start:
    """`job(train="decoder", iterations=4, …)` → what is to be trained, from the same start."""

    def start(**settings: object) -> FinetuneJob:
        chosen = FinetuneSettings.model_validate(
            {"batch_size": 1, "evaluation_period": 2, "checkpoint_period": 1, **settings}
        )
        return FinetuneJob(
            load_sam(str(tiny_file), "cpu"),
            _largest(miniature.subset([0, 1, 5]), 2),
            _largest(miniature.subset([3]), 2),
            chosen,
            embeddings=tmp_path / "embeddings",
        )

    return start


def _largest(slices: SliceSet, count: int) -> SliceSet:
    """Return the slices with their largest masks only, which is less to learn from."""
    kept = []
    for record in slices.records:
        masks = slices.masks_of(record.image_id)
        kept.append(masks.select(np.argsort(-masks.areas(), kind="stable")[:count]))
    return slices.with_masks(kept)


def _changed(before: dict[str, torch.Tensor], now: dict[str, torch.Tensor]) -> set[str]:
    """Return the parts of the network whose weights differ."""
    return {name.partition(".")[0] for name in before if not torch.equal(before[name], now[name])}


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_sam(str(folder / "sam.pth"), "cpu").network.state_dict()


@pytest.mark.parametrize("train", ["decoder", "all"])
def test_stretches_end_where_one_go_does_bit_by_bit(train: str, job: Start, tmp_path: Path) -> None:
    settings = {"train": train, "iterations": 4, "learning_rate": 1e-3, "evaluation_period": 4}
    whole = finetune(job(**settings), tmp_path / "whole")
    first = finetune(job(**settings), tmp_path / "parts", stop_after=1)
    assert first.iteration == 1
    assert not (tmp_path / "parts" / "model.json").exists()
    finetune(job(**settings), tmp_path / "parts", stop_after=2)
    parts = finetune(job(**settings), tmp_path / "parts")
    assert parts == whole
    lines = [read_json_lines(tmp_path / one / "training.jsonl") for one in ("whole", "parts")]
    assert lines[0] == lines[1]
    assert [line["iteration"] for line in lines[0]] == [0, 1, 2, 3]
    one, other = _weights(tmp_path / "whole"), _weights(tmp_path / "parts")
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert not (tmp_path / "parts" / "checkpoint.pth").exists()


def test_the_decoder_alone_learns_and_the_best_is_kept(job: Start, tmp_path: Path) -> None:
    start = job().model.network.state_dict()
    settings = {"prompts": "whole", "iterations": 20, "learning_rate": 2e-3, "warm_up": 0.2}
    state = finetune(job(**settings, evaluation_period=10), tmp_path / "out")
    assert state.best_dice > state.dice_before + 0.1
    lines = read_json_lines(tmp_path / "out" / "training.jsonl")
    judged = {line["iteration"] + 1: line["validation_dice"] for line in lines if len(line) > 3}
    assert state.best_dice == max(judged.values()) == judged[state.best_iteration]
    learnt = _weights(tmp_path / "out")
    changed = {
        name.partition(".")[0] for name in start if not torch.equal(start[name], learnt[name])
    }
    assert changed == {"mask_decoder"}
    described = read_json(tmp_path / "out" / "model.json")
    assert described["dice_after"] == state.best_dice
    assert described["layout"] == "tiny"


@pytest.mark.parametrize("loss", ["dice+ce", "dice+focal"])
@pytest.mark.parametrize("prompts", ["whole", "points", "mix"])
def test_every_kind_of_prompt_trains(loss: str, prompts: str, job: Start, tmp_path: Path) -> None:
    state = finetune(job(loss=loss, prompts=prompts, iterations=2), tmp_path / "out")
    assert state.iteration == 2
    assert 0 <= state.dice_before <= 1


def test_the_prompt_encoder_stays_as_it_is(job: Start, tmp_path: Path) -> None:
    start = job().model.network.state_dict()
    chosen = job(train="all", iterations=1, learning_rate=1e-3)
    finetune(chosen, tmp_path / "out")
    now = chosen.model.network.state_dict()
    assert _changed(start, now) == {"image_encoder", "mask_decoder"}


def test_another_job_does_not_go_on_here(job: Start, tmp_path: Path) -> None:
    finetune(job(iterations=4), tmp_path / "out", stop_after=1)
    with pytest.raises(InputError, match="is of another fine-tuning"):
        finetune(job(iterations=4, learning_rate=0.5), tmp_path / "out")
    assert finetune(job(iterations=4), tmp_path / "out", stop_after=1).iteration == 2


def test_a_loss_that_is_no_number_names_the_slices(job: Start, tmp_path: Path) -> None:
    broken = job(iterations=2)
    with torch.no_grad():
        broken.model.network.get_parameter("mask_decoder.iou_token.weight").fill_(float("nan"))
    with pytest.raises(FewshotError, match=r"iteration 0: .* on the slices \d\.png"):
        finetune(broken, tmp_path / "out")


def test_without_labels_there_is_nothing_to_learn(
    job: Start, miniature: SliceSet, tmp_path: Path
) -> None:
    empty = FinetuneJob(job().model, miniature.subset([5]), miniature, job().settings)
    with pytest.raises(InputError, match="training slices: holds no labelled slices"):
        finetune(empty, tmp_path / "out")
    assert not (tmp_path / "out").exists()
