"""Settings of the commands that train semantic networks outside of a run."""

from typing import Annotated

from pydantic import Field

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY
from fewshot.config.logging import LoggingSettings
from fewshot.config.network import Device, LoopSettings, ScheduleSettings
from fewshot.config.preprocessing import PreprocessSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings


class SemanticTrainingSettings(ScheduleSettings):
    """Everything that `fewshot semantic train` and `compare` need to know besides their options."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Learning rate at its highest."""
    model: SemanticSettings = SemanticSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    device: Annotated[Device, PREDICTION_ONLY] = "auto"
    """Where networks compute; auto: on a GPU if there is one."""
    augmentation: AugmentationSettings = AugmentationSettings()
    training: LoopSettings = LoopSettings()
    logging: Annotated[LoggingSettings, NO_RESULT] = LoggingSettings()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything that is random."""
