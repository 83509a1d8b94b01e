"""A job that trains a real network of segmentation-models-pytorch in a second or two."""

from typing import Any

import pytest

from fewshot.config.network import LoopSettings, ScheduleSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.masks.coco import SliceSet
from fewshot.training.job import TrainingJob
from fewshot.training.sampling import TrainingSource

SMALL = {
    "encoder": "tu-mobilenetv3_small_050",
    "batch_size": 2,
}


@pytest.fixture
def small_network() -> Any:
    """`small_network(network="pan", …)` → settings of a network that trains in seconds."""

    def make(**changes: Any) -> SemanticSettings:
        return SemanticSettings.model_validate({**SMALL, **changes})

    return make


@pytest.fixture
def job(miniature: SliceSet, small_network: Any) -> TrainingJob:
    return TrainingJob(
        name="steady",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0, 1]),
        settings=small_network(),
        loop=LoopSettings(evaluation_period=0, checkpoint_period=3),
        device="cpu",
        augmentation=AugmentationSettings(),
        schedule=ScheduleSettings(learning_rate=0.002, iterations=6),
        seed=5,
    )
