"""Training with real Detectron2, in miniature; what holds for all kinds is in tests/training."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewshot.config.network import LoopSettings, ScheduleSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.detector.prediction import load_detector, predict_slices
from fewshot.detector.training import DetectorTask
from fewshot.errors import FewshotError
from fewshot.masks.coco import SliceSet
from fewshot.metrics.average_precision import average_precision
from fewshot.training.job import TrainingJob
from fewshot.training.loop import train
from fewshot.training.sampling import TrainingSource


@pytest.fixture
def job(
    miniature: SliceSet, small_detector: DetectorSettings, gentle: AugmentationSettings
) -> TrainingJob:
    return TrainingJob(
        name="steady",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0, 1]),
        settings=small_detector,
        augmentation=gentle,
        schedule=ScheduleSettings(learning_rate=0.001, iterations=6),
        seed=5,
    )


def test_slices_without_any_mask_can_be_trained_on(job: TrainingJob, tmp_path: Path) -> None:
    empty = job.validation.with_masks([])
    schedule = ScheduleSettings(iterations=2)
    blank = replace(
        job, sources=[TrainingSource(empty.subset([0]))], validation=empty, schedule=schedule
    )
    assert train(DetectorTask(blank), tmp_path).best["ap"] == 0


def test_a_loss_that_is_no_number_is_reported_with_its_slices(
    job: TrainingJob, tmp_path: Path
) -> None:
    wild = replace(
        job,
        settings=job.settings.model_copy(update={"optimizer": "sgd"}),
        loop=LoopSettings(clip_gradient_norm=1e30),
        schedule=ScheduleSettings(learning_rate=10, iterations=50),
    )
    with pytest.raises(
        FewshotError, match=r"iteration \d+: (a loss|the gradient|a value) .*\.png.*learning rate"
    ):
        train(DetectorTask(wild), tmp_path)
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
        schedule=ScheduleSettings(learning_rate=0.001, iterations=120),
    )
    assert train(DetectorTask(memorise), tmp_path).best["ap50"] > 0.3
    predictions = predict_slices(load_detector(tmp_path, "cpu"), known)
    truth = [known.masks_of(record.image_id) for record in known.records]
    assert average_precision(truth, {one.image_id: one for one in predictions}).ap50 > 0.3
