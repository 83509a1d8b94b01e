"""Settings of `fewshot semantic`, which trains semantic networks outside a run."""

from typing import Annotated

from pydantic import Field

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY
from fewshot.config.logging import LoggingSettings
from fewshot.config.network import Device, LoopSettings, ScheduleSettings
from fewshot.config.preprocessing import PreprocessSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings


class SemanticTrainingSettings(ScheduleSettings):
    """All settings of `fewshot semantic train` and `compare`."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Peak learning rate."""
    model: SemanticSettings = SemanticSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    device: Annotated[Device, PREDICTION_ONLY] = "auto"
    """Device that networks compute on; auto: a GPU if there is one."""
    augmentation: AugmentationSettings = AugmentationSettings()
    training: LoopSettings = LoopSettings()
    logging: Annotated[LoggingSettings, NO_RESULT] = LoggingSettings()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of all random numbers."""
