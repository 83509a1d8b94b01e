"""A miniature model to train, for the tests of several stages."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.pipeline.training import ModelToTrain


@pytest.fixture
def job(miniature: SliceSet, small_detector: DetectorSettings, tmp_path: Path) -> ModelToTrain:
    """A model that is trained for two iterations on three slices."""
    write_coco(tmp_path / "train.json", miniature.subset([0, 1, 5]), "train")
    write_coco(tmp_path / "validation.json", miniature.subset([2]), "validation")
    write_coco(tmp_path / "unlabelled.json", replace(miniature, masks={}), "unlabelled")
    return ModelToTrain(
        name="model",
        train=tmp_path / "train.json",
        validation=tmp_path / "validation.json",
        detector=small_detector,
        augmentation=AugmentationSettings(),
        schedule=TrainingSettings(iterations=2),
        seed=3,
    )
