"""Training with real Detectron2, in miniature: curves, exact resume, bad numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.detector.model import describe_detector, load_detector
from fewshot.detector.prediction import predict_slices
from fewshot.detector.training import CHECKPOINT, CURVES, TrainingJob, train_detector
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json_lines, write_json
from fewshot.masks.coco import SliceSet
from fewshot.metrics.average_precision import average_precision
from fewshot.training.sampling import TrainingSource


@pytest.fixture
def job(
    miniature: SliceSet, small_detector: DetectorSettings, gentle: AugmentationSettings
) -> TrainingJob:
    return TrainingJob(
        name="steady",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0, 1]),
        detector=small_detector.model_copy(update={"checkpoint_period": 3}),
        augmentation=gentle,
        schedule=TrainingSettings(learning_rate=0.001, iterations=6),
        seed=5,
    )


def test_a_model_folder_is_all_that_prediction_needs(job: TrainingJob, tmp_path: Path) -> None:
    precision = train_detector(job, tmp_path)
    description = describe_detector(tmp_path)
    assert (description["name"], description["iterations"]) == ("steady", 6)
    assert description["average_precision"]["ap"] == precision.ap
    assert not (tmp_path / CHECKPOINT).exists()
    detector = load_detector(tmp_path, "cpu")
    masks = list(predict_slices(detector, job.validation))
    assert [one.image_id for one in masks] == [0, 1]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    job: TrainingJob, tmp_path: Path
) -> None:
    train_detector(job, tmp_path / "whole")

    def stop_at_five(done: int, _note: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_detector(job, tmp_path / "parts", stop_at_five)
    assert (tmp_path / "parts" / CHECKPOINT).is_file()
    seen: list[int] = []
    train_detector(job, tmp_path / "parts", lambda done, _note: seen.append(done))
    assert seen == [4, 5, 6]
    assert read_json_lines(tmp_path / "parts" / CURVES) == read_json_lines(
        tmp_path / "whole" / CURVES
    )
    weights = [
        torch.load(tmp_path / one / "model.pth", weights_only=True)["model"]
        for one in ("parts", "whole")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_checkpoint_of_another_job_is_not_continued(job: TrainingJob, tmp_path: Path) -> None:
    def stop_at_four(done: int, _note: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_detector(job, tmp_path, stop_at_four)
    seen: list[int] = []
    train_detector(replace(job, seed=6), tmp_path, lambda done, _note: seen.append(done))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_curves_hold_every_iteration_and_the_validation(job: TrainingJob, tmp_path: Path) -> None:
    train_detector(job, tmp_path)
    curves = read_json_lines(tmp_path / CURVES)
    assert [line["iteration"] for line in curves] == list(range(6))
    assert {"total_loss", "loss_mask", "lr"} <= set(curves[0])
    assert "validation/ap" in curves[-1]


def test_slices_without_any_mask_can_be_trained_on(job: TrainingJob, tmp_path: Path) -> None:
    empty = job.validation.with_masks([])
    schedule = TrainingSettings(iterations=2)
    blank = replace(
        job, sources=[TrainingSource(empty.subset([0]))], validation=empty, schedule=schedule
    )
    assert train_detector(blank, tmp_path).ap == 0


def test_a_loss_that_is_no_number_is_reported_with_its_slices(
    job: TrainingJob, tmp_path: Path
) -> None:
    wild = replace(
        job,
        detector=job.detector.model_copy(update={"clip_gradient_norm": 1e30, "optimizer": "sgd"}),
        schedule=TrainingSettings(learning_rate=10, iterations=50),
    )
    with pytest.raises(
        FewshotError, match=r"iteration \d+: (a loss|the gradient) .*\.png.*learning rate"
    ):
        train_detector(wild, tmp_path)
    assert not (tmp_path / "model.json").exists()


@pytest.mark.slow
def test_training_learns(job: TrainingJob, tmp_path: Path) -> None:
    """A network that has seen three slices a hundred times finds their structures again."""
    known = job.sources[0].slices.subset([0, 1, 2])
    still = AugmentationSettings(
        flip=False, rotation=0, scale=0, shift=0, contrast=0, brightness=0, noise=0
    )
    memorise = replace(
        job,
        sources=[TrainingSource(known)],
        validation=known,
        augmentation=still,
        schedule=TrainingSettings(learning_rate=0.001, iterations=120),
    )
    assert train_detector(memorise, tmp_path).ap50 > 0.3
    predictions = predict_slices(load_detector(tmp_path, "cpu"), known)
    truth = [known.masks_of(record.image_id) for record in known.records]
    assert average_precision(truth, {one.image_id: one for one in predictions}).ap50 > 0.3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        # no description: no model was ever finished here
        (lambda folder: (folder / "model.json").unlink(), "holds no trained model"),
        # cut off in the middle, as by a full disk
        (lambda folder: (folder / "model.pth").write_bytes(b"PK\x03\x04half"), "not a usable"),
        # not a description at all
        (lambda folder: write_json(folder / "model.json", []), "not a model's description"),
    ],
)
def test_damaged_model_folders_are_refused(
    job: TrainingJob, tmp_path: Path, damage: object, words: str
) -> None:
    train_detector(replace(job, schedule=TrainingSettings(iterations=1)), tmp_path)
    assert callable(damage)
    damage(tmp_path)
    with pytest.raises(InputError, match=words):
        load_detector(tmp_path, "cpu")


def test_a_training_leaves_the_processors_arithmetic_alone(
    job: TrainingJob, tmp_path: Path
) -> None:
    """Denormal numbers are flushed to zero only while it trains."""
    denormal = torch.tensor([1e-310], dtype=torch.float64)
    train_detector(replace(job, schedule=TrainingSettings(iterations=1)), tmp_path)
    assert float(denormal / 2) > 0
