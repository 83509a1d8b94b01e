"""A miniature model to train, for the tests of several stages."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewshot.config.network import ScheduleSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.pipeline.training import PlannedTraining
from fewshot.training.job import TrainingJob


@pytest.fixture
def job(miniature: SliceSet, small_detector: DetectorSettings, tmp_path: Path) -> PlannedTraining:
    """A model that is trained for two iterations on three slices."""
    write_coco(tmp_path / "train.json", miniature.subset([0, 1, 5]), "train")
    write_coco(tmp_path / "validation.json", miniature.subset([2]), "validation")
    write_coco(tmp_path / "unlabelled.json", replace(miniature, masks={}), "unlabelled")
    job = TrainingJob(
        name="model",
        settings=small_detector,
        augmentation=AugmentationSettings(),
        schedule=ScheduleSettings(iterations=2),
        seed=3,
    )
    return PlannedTraining(job, tmp_path / "train.json", tmp_path / "validation.json")
