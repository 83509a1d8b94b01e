"""Training real networks, in miniature: every architecture. See tests/training as well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewshot.config.network import LoopSettings, ScheduleSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.errors import FewshotError
from fewshot.files import read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.semantic.evaluation import evaluate
from fewshot.semantic.prediction import answers, load_semantic, predict_slices
from fewshot.semantic.training import SemanticTask
from fewshot.training.job import TrainingJob
from fewshot.training.loop import train
from fewshot.training.model_folder import CURVES, describe_model
from fewshot.training.sampling import TrainingSource

GAFL = {"gafl": True}
STILL = AugmentationSettings(
    flip=False, rotation=0, scale=0, shift=0, contrast=0, brightness=0, noise=0
)


def with_settings(job: TrainingJob, **changes: Any) -> TrainingJob:
    values = {**job.settings.model_dump(), **changes}
    return replace(job, settings=SemanticSettings.model_validate(values))


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("unet", {"experimental": GAFL, "ema": 0.9, "optimizer": "sgd"}),
        ("unetplusplus", {"loss": "focal"}),
        ("deeplabv3", {"loss": "dice_focal"}),
        ("deeplabv3plus", {"experimental": {**GAFL, "featup": 2}}),
        ("pan", {"boundary": False, "regions": {"method": "components"}}),
    ],
)
def test_every_network_trains_and_its_folder_is_all_that_prediction_needs(
    job: TrainingJob, tmp_path: Path, network: str, changes: dict[str, Any]
) -> None:
    short = replace(
        with_settings(job, network=network, **changes),
        schedule=ScheduleSettings(learning_rate=0.002, iterations=3),
    )
    train(SemanticTask(short), tmp_path)
    description = describe_model(tmp_path)
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    assert ("filter.log_weights" in content["model"]) == ("experimental" in changes)
    model = load_semantic(tmp_path, "cpu")
    again = evaluate(model, job.validation)
    assert description.validation["iou"] == pytest.approx(again.scores["iou"], abs=1e-3)
    masks = list(predict_slices(model, job.validation))
    assert [one.image_id for one in masks] == [0, 1]
    assert all(source == "steady" for one in masks for source in one.sources)


def test_curves_hold_iou_of_each_batch_and_each_pass(job: TrainingJob, tmp_path: Path) -> None:
    often = replace(job, loop=LoopSettings(evaluation_period=3))
    train(SemanticTask(often), tmp_path)
    curves = read_json_lines(tmp_path / CURVES)
    assert [line["iteration"] for line in curves] == list(range(6))
    assert {"total_loss", "loss_dice", "loss_bce", "lr", "iou"} <= set(curves[0])
    # Six slices in batches of two: a pass is three iterations.
    assert [line["iteration"] for line in curves if "epoch/iou" in line] == [2, 5]
    assert [line["iteration"] for line in curves if "validation/ap" in line] == [2, 5]
    assert 0 <= curves[5]["validation/dice"] <= 1


@pytest.mark.slow
def test_training_learns_to_tell_structures_apart(job: TrainingJob, tmp_path: Path) -> None:
    known = job.sources[0].slices.subset([0, 1, 2])
    memorise = replace(
        job,
        augmentation=STILL,
        sources=[TrainingSource(known)],
        validation=known,
        schedule=ScheduleSettings(learning_rate=0.005, iterations=60),
    )
    scores = train(SemanticTask(memorise), tmp_path).best
    assert scores["ap50"] > 0.3
    assert scores["iou"] > 0.8


def test_slices_of_several_sizes_can_be_predicted_and_padding_is_cut_off(
    job: TrainingJob, tmp_path: Path, miniature: SliceSet
) -> None:
    short = replace(job, schedule=ScheduleSettings(iterations=1))
    train(SemanticTask(short), tmp_path / "model")
    model = load_semantic(tmp_path / "model", "cpu")
    from fewshot.masks.coco import SliceRecord
    from fewshot.slices.images import write_image

    sizes = [(50, 70), (50, 70), (33, 128), (50, 70)]
    records = []
    for index, (height, width) in enumerate(sizes):
        rng = np.random.default_rng(index)
        write_image(tmp_path / f"{index}.png", rng.integers(0, 255, (height, width), np.uint8))
        records.append(SliceRecord(index, f"{index}.png", height, width))
    mixed = SliceSet(tmp_path, tuple(records), {})
    said = list(answers(model, mixed))
    assert [one.probabilities.shape[1:] for one in said] == sizes
    assert [one.record.image_id for one in said] == [0, 1, 2, 3]
    alone = next(answers(model, mixed.subset([3])))
    assert np.allclose(alone.probabilities, said[3].probabilities, atol=1e-5)


def test_weighed_and_uncertain_masks_count_as_said(miniature: SliceSet, small_network: Any) -> None:
    from fewshot.semantic.data import SemanticSamples

    known = miniature.subset([0])
    masks = known.masks_of(0)
    halved = replace(masks, scores=np.full(len(masks), 0.5, dtype=np.float32))
    unsure = miniature.subset([0]).with_masks([masks.select([0])])
    first = known.with_masks([halved.select(range(1, len(masks)))])
    source = TrainingSource(first, uncertain=unsure, score_weighted=True)
    sample = SemanticSamples([source], small_network(), STILL, 0)[0]
    inside, ignored = first.masks_of(0).decode().any(axis=0), masks.select([0]).decode()[0]
    weights = sample.weights[0, 0].numpy()
    assert (weights[inside] == 0.5).all()
    assert (weights[ignored & ~inside] == 0).all()
    assert (weights[~ignored & ~inside] == 1).all()


def test_the_runs_augmentation_is_obeyed(miniature: SliceSet, small_network: Any) -> None:
    from fewshot.semantic.data import SemanticSamples

    mirrored = STILL.model_copy(update={"flip": True})
    still, flipped = (
        SemanticSamples([TrainingSource(miniature)], small_network(), one, 0)
        for one in (STILL, mirrored)
    )
    pairs = [(still[position], flipped[position]) for position in range(8)]
    same = [torch.equal(one.slices, other.slices) for one, other in pairs]
    assert 0 < sum(same) < len(same)
    for (one, other), unmoved in zip(pairs, same, strict=True):
        expected = one.targets if unmoved else one.targets.flip(-1)
        assert torch.equal(other.targets[:, :1], expected[:, :1])


def test_a_loss_that_is_no_number_is_reported_with_its_slices(
    job: TrainingJob, tmp_path: Path
) -> None:
    wild = replace(
        with_settings(job, optimizer="sgd"),
        loop=LoopSettings(clip_gradient_norm=1e30),
        schedule=ScheduleSettings(learning_rate=10, iterations=60),
    )
    network_breaker = replace(wild, settings=wild.settings.model_copy(update={"weight_decay": 1e9}))
    with pytest.raises(FewshotError, match=r"iteration \d+: a loss .*\.png.*learning rate"):
        train(SemanticTask(network_breaker), tmp_path)
    assert not (tmp_path / "model.json").exists()
