"""Training settings of every kind of network: schedule, loop, network."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Count, Settings

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "off", "bfloat16", "float16"]


class ScheduleSettings(Settings):
    """Length and learning rate of a training."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    """Peak learning rate."""
    iterations: Count = 500
    """Training iterations, of one batch each."""


class LoopSettings(Settings):
    """The training loop of every kind of network."""

    workers: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """Processes that read slices during training; 0: the main process reads them."""
    evaluation_period: Annotated[int, Field(ge=0), NO_RESULT] = 250
    """Iterations between evaluations on the validation slices; 0: only at the end."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 250
    """Iterations between checkpoints."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 5.0
    """Maximum norm of the gradient; a larger one is scaled down."""
    nan_retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often training may restart from the last checkpoint after NaN or infinite values."""
    nan_rate_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Factor on the learning rate at each such restart."""


class Experiments(Settings):
    """Parts of a network without a proven gain."""

    gafl: bool = False
    """Whether to put a global adaptive frequency filter (GAFL) in front of the network."""


class NetworkSettings(Settings):
    """Training and prediction of any kind of network."""

    kind: str = ""
    """The kind of network; each class of settings has its own."""
    weights: str = "auto"
    """Initial weights: auto (the model zoo's), none (from scratch), or a file."""
    batch_size: Count = 4
    """Slices per training batch."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    """Weight decay of the optimizer."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of the weights, which replaces them; 0: off."""
    mixed_precision: Precision = "auto"
    """Number format of training and prediction; auto: bfloat16 on GPUs that support it."""
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 8
    """Slices per prediction batch."""

    @property
    def weights_file(self) -> Path | None:
        """The file of initial weights, if any; `auto` is resolved earlier."""
        return Path(self.weights) if self.weights not in ("auto", "none") else None

    @property
    def learns_unlabelled(self) -> bool:
        """Whether training uses unlabelled slices, which some kinds of networks can."""
        return False

    def without_unlabelled(self) -> Self:
        """Return the same settings for training on labelled slices only."""
        return self

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads a bare off as false
