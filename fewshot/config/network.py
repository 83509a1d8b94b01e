"""Settings that trainings of every kind of network share: schedule, loop, network."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Count, Settings

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "off", "bfloat16", "float16"]


class ScheduleSettings(Settings):
    """How long and how fast one model is trained."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    """Learning rate at its highest."""
    iterations: Count = 500
    """Iterations of the training, a batch each."""


class LoopSettings(Settings):
    """How trainings go on, whatever the network."""

    workers: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """Processes that read slices while training; 0 reads in the main process."""
    evaluation_period: Annotated[int, Field(ge=0), NO_RESULT] = 250
    """Iterations between evaluations on the validation slices; 0 evaluates at the end alone."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 250
    """Iterations between checkpoints."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 5.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    nan_retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a training goes back to its last checkpoint when a number is NaN or infinite."""
    nan_rate_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the learning rate is multiplied by each time."""


class Experiments(Settings):
    """Parts of a network that have shown no sure gain."""

    gafl: bool = False
    """A global adaptive filter of frequencies in front of the network."""


class NetworkSettings(Settings):
    """How a network is trained and predicts, whatever it is."""

    kind: str = ""
    """The kind of network; each class of settings has a word of its own."""
    weights: str = "auto"
    """Weights to start from: auto (the model zoo's), none (from scratch), or a file."""
    batch_size: Count = 4
    """Slices in a training batch."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    """Weight decay of the optimizer."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running mean of the weights, kept in place of the last ones; 0 is off."""
    mixed_precision: Precision = "auto"
    """Number format of training and prediction; auto: bfloat16 on GPUs that have it."""
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 8
    """Slices that are predicted at once."""

    @property
    def weights_file(self) -> Path | None:
        """The file that training starts from, if it is one; `auto` is resolved before."""
        return Path(self.weights) if self.weights not in ("auto", "none") else None

    @property
    def learns_unlabelled(self) -> bool:
        """Whether it is to learn from slices without labels, as some kinds of networks can."""
        return False

    def without_unlabelled(self) -> Self:
        """Return the same settings, but for learning from labelled slices alone."""
        return self

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads a bare off as false
