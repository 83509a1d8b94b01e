"""Settings that networks of every kind share: how they are trained and asked."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Count, Settings
from fewshot.config.recovery import RecoverySettings


class NetworkSettings(Settings):
    """How a network is trained and asked, whatever it is."""

    kind: str = ""
    """Kind of network; each class of settings has a word of its own."""
    weights: str = "auto"
    """Weights to start from: auto (the model zoo's), none (from scratch), or a file."""
    batch_size: Count = 4
    """Slices in a training batch."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    """Weight decay of the optimizer."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 5.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running mean of the weights, kept in place of the last ones; 0 is off."""
    mixed_precision: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    """Number format of the network's arithmetic; auto: bfloat16 on GPUs that have it."""
    device: Annotated[Literal["auto", "cpu", "cuda"], PREDICTION_ONLY] = "auto"
    """Where networks compute; auto: on a GPU if there is one."""
    workers: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """Processes that read slices while training; 0 reads in the main process."""
    evaluation_period: Annotated[int, Field(ge=0), NO_RESULT] = 250
    """Iterations between evaluations on the validation slices; 0 evaluates at the end alone."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 250
    """Iterations between checkpoints."""
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 8
    """Slices that are predicted at once."""
    recovery: RecoverySettings = RecoverySettings()
    """What happens when a number is NaN or infinite."""

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
