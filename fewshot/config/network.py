"""Settings that networks of every kind share: how they are trained and asked."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Count, Settings


class NetworkSettings(Settings):
    """How a network is trained and asked, whatever it is."""

    weights: str = "auto"  # to start from: auto (the zoo's, ImageNet's), none, or a file
    batch_size: Count = 4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 5.0
    # Decay of the running mean of the weights, which is kept in place of the last ones; 0 is off.
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixed_precision: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    device: Annotated[Literal["auto", "cpu", "cuda"], PREDICTION_ONLY] = "auto"
    workers: Annotated[int, Field(ge=0), NO_RESULT] = 0
    evaluation_period: Annotated[int, Field(ge=0), NO_RESULT] = 250
    checkpoint_period: Annotated[Count, NO_RESULT] = 250
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 8

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
