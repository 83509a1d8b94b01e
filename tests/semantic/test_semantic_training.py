"""Training real networks, in miniature: every architecture, exact resume, bad numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import TrainingSettings
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json, read_json_lines, write_json
from fewshot.masks.coco import SliceSet
from fewshot.semantic.evaluation import evaluate
from fewshot.semantic.job import SemanticJob
from fewshot.semantic.model import describe_model, load_model
from fewshot.semantic.prediction import answers, predict_slices
from fewshot.semantic.training import CHECKPOINT, CURVES, train_semantic
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.sampling import TrainingSource


def with_settings(job: SemanticJob, **changes: Any) -> SemanticJob:
    values = {**job.settings.model_dump(), **changes}
    return replace(job, settings=SemanticSettings.model_validate(values))


def stop_at(iteration: int) -> Any:
    def stop(done: int, _note: str) -> None:
        if done == iteration:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("unet", {"gafl": True, "ema": 0.9, "optimizer": "sgd"}),
        ("unetplusplus", {"loss": "focal"}),
        ("deeplabv3", {"loss": "dice_focal"}),
        ("deeplabv3plus", {"gafl": True, "featup": {"iterations": 2}}),
        ("pan", {"boundary": False, "regions": {"method": "components"}}),
    ],
)
def test_every_network_trains_and_its_folder_is_all_that_prediction_needs(
    job: SemanticJob, tmp_path: Path, network: str, changes: dict[str, Any]
) -> None:
    short = replace(
        with_settings(job, network=network, **changes),
        schedule=TrainingSettings(learning_rate=0.002, iterations=3),
    )
    train_semantic(short, tmp_path)
    description = describe_model(tmp_path)
    assert (description["kind"], description["name"], description["iterations"]) == (
        *("semantic", "steady"),
        3,
    )
    assert not (tmp_path / CHECKPOINT).exists()
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    assert ("filter.log_weights" in content["model"]) == short.settings.gafl
    model = load_model(tmp_path, "cpu")
    again = evaluate(model, job.validation)
    assert description["iou"] == pytest.approx(again.foreground.iou, abs=1e-3)
    masks = list(predict_slices(model, job.validation))
    assert [one.image_id for one in masks] == [0, 1]
    assert all(source == "steady" for one in masks for source in one.sources)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    job: SemanticJob, tmp_path: Path
) -> None:
    job = with_settings(job, gafl=True, ema=0.9)
    train_semantic(job, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_semantic(job, tmp_path / "parts", stop_at(5))
    assert (tmp_path / "parts" / CHECKPOINT).is_file()
    seen: list[int] = []
    train_semantic(job, tmp_path / "parts", lambda done, _note: seen.append(done))
    assert seen == [4, 5, 6]
    curves = [read_json_lines(tmp_path / one / CURVES) for one in ("parts", "whole")]
    assert curves[0] == curves[1]
    weights = [load_checkpoint(tmp_path / one / "model.pth")["model"] for one in ("parts", "whole")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


# torch counts the processors that this process may use.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_change_nothing(job: SemanticJob, tmp_path: Path) -> None:
    for name, workers in (("alone", 0), ("helped", 2)):
        train_semantic(with_settings(job, workers=workers), tmp_path / name)
    alone, helped = (read_json_lines(tmp_path / one / CURVES) for one in ("alone", "helped"))
    assert alone == helped


@pytest.mark.parametrize("workers", [0, 1])
def test_a_slice_that_is_gone_is_one_line_from_any_process(
    job: SemanticJob, spoilable: SliceSet, tmp_path: Path, workers: int
) -> None:
    own = replace(with_settings(job, workers=workers), sources=[TrainingSource(spoilable)])

    def lose(done: int, _note: str) -> None:
        for path in spoilable.images.iterdir():
            path.unlink()

    with pytest.raises(InputError, match=r"\d\.png: no such image") as caught:
        train_semantic(own, tmp_path / "out", lose)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_job_is_not_continued(job: SemanticJob, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_semantic(job, tmp_path, stop_at(4))
    seen: list[int] = []
    train_semantic(replace(job, seed=6), tmp_path, lambda done, _note: seen.append(done))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_curves_hold_iou_of_each_batch_and_each_pass(job: SemanticJob, tmp_path: Path) -> None:
    train_semantic(with_settings(job, evaluation_period=3), tmp_path)
    curves = read_json_lines(tmp_path / CURVES)
    assert [line["iteration"] for line in curves] == list(range(6))
    assert {"total_loss", "loss_dice", "loss_bce", "lr", "iou"} <= set(curves[0])
    # Six slices in batches of two: a pass is three iterations.
    assert [line["iteration"] for line in curves if "epoch/iou" in line] == [2, 5]
    assert [line["iteration"] for line in curves if "validation/ap" in line] == [2, 5]
    assert 0 <= curves[5]["validation/dice"] <= 1


@pytest.mark.slow
def test_training_learns_to_tell_structures_apart(job: SemanticJob, tmp_path: Path) -> None:
    known = job.sources[0].slices.subset([0, 1, 2])
    still = {"affine": 0, "horizontal_flip": 0, "brightness_contrast": 0, "gamma": 0}
    memorise = replace(
        with_settings(job, augmentation=still, checkpoint_period=1000),
        sources=[TrainingSource(known)],
        validation=known,
        schedule=TrainingSettings(learning_rate=0.005, iterations=60),
    )
    precision = train_semantic(memorise, tmp_path)
    assert precision.ap50 > 0.3
    assert read_json(tmp_path / "model.json")["iou"] > 0.8


def test_slices_of_several_sizes_can_be_predicted_and_padding_is_cut_off(
    job: SemanticJob, tmp_path: Path, miniature: SliceSet
) -> None:
    short = replace(job, schedule=TrainingSettings(iterations=1))
    train_semantic(short, tmp_path / "model")
    model = load_model(tmp_path / "model", "cpu")
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

    still = {"affine": 0, "horizontal_flip": 0, "brightness_contrast": 0, "gamma": 0}
    known = miniature.subset([0])
    masks = known.masks_of(0)
    halved = replace(masks, scores=np.full(len(masks), 0.5, dtype=np.float32))
    unsure = miniature.subset([0]).with_masks([masks.select([0])])
    first = known.with_masks([halved.select(range(1, len(masks)))])
    source = TrainingSource(first, uncertain=unsure, weighed=True)
    sample = SemanticSamples([source], small_network(augmentation=still), 0)[0]
    inside, ignored = first.masks_of(0).decode().any(axis=0), masks.select([0]).decode()[0]
    weights = sample.weights[0, 0].numpy()
    assert (weights[inside] == 0.5).all()
    assert (weights[ignored & ~inside] == 0).all()
    assert (weights[~ignored & ~inside] == 1).all()


def test_a_loss_that_is_no_number_is_reported_with_its_slices(
    job: SemanticJob, tmp_path: Path
) -> None:
    wild = replace(
        with_settings(job, clip_gradient_norm=1e30, optimizer="sgd"),
        schedule=TrainingSettings(learning_rate=10, iterations=60),
    )
    network_breaker = replace(wild, settings=wild.settings.model_copy(update={"weight_decay": 1e9}))
    with pytest.raises(FewshotError, match=r"iteration \d+: a loss .*\.png.*learning rate"):
        train_semantic(network_breaker, tmp_path)
    assert not (tmp_path / "model.json").exists()


def test_a_source_that_asks_for_a_teacher_is_refused(job: SemanticJob, tmp_path: Path) -> None:
    renewed = [TrainingSource(job.sources[0].slices, renewed=True)]
    with pytest.raises(InputError, match="cannot renew soft labels"):
        train_semantic(replace(job, sources=renewed), tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        # no description: no model was ever finished here
        (lambda folder: (folder / "model.json").unlink(), "holds no trained model"),
        # cut off in the middle, as by a full disk
        (lambda folder: (folder / "model.pth").write_bytes(b"PK\x03\x04half"), "not a usable"),
        # not a description at all
        (lambda folder: write_json(folder / "model.json", []), "not the description"),
        # weights of another network
        (lambda folder: torch.save({"model": {}}, folder / "model.pth"), "does not fit"),
        # code in place of weights
        (lambda folder: torch.save({"model": print}, folder / "model.pth"), "not a usable"),
    ],
)
def test_damaged_model_folders_are_refused(
    job: SemanticJob, tmp_path: Path, damage: Any, words: str
) -> None:
    from fewshot.metrics.average_precision import AveragePrecision
    from fewshot.semantic.model import SemanticModel, save_model
    from fewshot.semantic.networks import build_network

    model = SemanticModel(build_network(job.settings), job.settings, "steady")
    nothing = AveragePrecision(0, 0, 0)
    save_model(model, tmp_path, iterations=1, average_precision=nothing, facts={})
    damage(tmp_path)
    with pytest.raises(InputError, match=words):
        load_model(tmp_path, "cpu")
