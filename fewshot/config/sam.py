"""Settings of Segment Anything: in a run, of its encoder, of automatic masks, of fine-tuning."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Count, Fraction, Settings
from fewshot.config.network import (
    Device,
    LoopSettings,
    NetworkSettings,
    Precision,
    ScheduleSettings,
)

PromptMix = Literal["box", "whole", "points", "mix"]
Trained = Literal["decoder", "all"]


class SamSettings(Settings):
    """Whether Segment Anything refines a run's masks, and by which checkpoint.

    Refinement is chosen on the validation slices, and is left out where they do not say that it
    pays.
    """

    refine: Literal["off", "predictions", "soft_labels", "both"] = "off"
    """Which masks Segment Anything refines, where validation slices say that it pays."""
    checkpoint: str | None = None
    """A file, or vit_b, vit_l, vit_h or medsam in the folder that FEWSHOT_WEIGHTS names."""
    batch_size: Count = 4
    """Slices an encoder pass."""

    @field_validator("refine", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads a bare off as false

    @model_validator(mode="after")
    def _refining_needs_a_checkpoint(self) -> Self:
        if self.refine != "off" and self.checkpoint is None:
            raise ValueError("refine: needs sam.checkpoint, a file or vit_b, vit_l, vit_h, medsam")
        return self

    @property
    def predictions(self) -> bool:
        """Whether predictions are refined before they are merged."""
        return self.refine in ("predictions", "both")

    @property
    def soft_labels(self) -> bool:
        """Whether soft labels are refined before the final training."""
        return self.refine in ("soft_labels", "both")


class EncoderSettings(Settings):
    """How the image encoder is run."""

    batch_size: Count = 4
    """Slices an encoder pass."""
    mixed_precision: Precision = "auto"
    """Number format of the encoder's arithmetic; auto: bfloat16 on GPUs."""
    device: Device = "auto"
    """Where to compute."""


class AutomaticMaskSettings(Settings):
    """How masks are found without prompts; the first four defaults are the package's own."""

    points_per_side: Annotated[int, Field(ge=1, le=128)] = 32
    """Points of the grid that asks, a side."""
    min_quality: Annotated[float, Field(le=1)] = 0.88
    """Least IoU that the network expects of a mask; its guesses may be below 0."""
    min_stability: Fraction = 0.95
    """Least IoU of a mask drawn wider and narrower."""
    max_overlap: Fraction = 0.7
    """Of two masks with a higher IoU, the better is kept."""
    min_area: Fraction = 0.0005
    """Smallest region, part of the slice."""
    max_area: Fraction = 0.4
    """Largest region, part of the slice."""
    max_border: Fraction = 0.25
    """Part of the slice's border a region may cover."""
    max_background: Fraction = 0.5
    """Part of a region that may be dark surroundings."""
    background_grey: Annotated[int, Field(ge=0, le=255)] = 10
    """Up to which grey level, 0 to 255, a pixel can be of the dark surroundings."""
    overlap: Literal["smaller", "better"] = "smaller"
    """Which region gets common pixels."""
    background: Literal["keep", "nearest"] = "keep"
    """Keep pixels without a region, or give them the nearest one."""

    @model_validator(mode="after")
    def _areas_in_order(self) -> Self:
        if self.min_area > self.max_area:
            raise ValueError("--min-area: is larger than --max-area; no region can be both")
        return self


class FinetuneSettings(NetworkSettings):
    """How a Segment Anything network is fine-tuned."""

    kind: Literal["sam"] = "sam"
    """Segment Anything."""
    weights: Literal["none"] = "none"
    """Those of the checkpoint that is fine-tuned."""
    train: Trained = "decoder"
    """What learns: the mask decoder alone, from embeddings; or all: the image encoder too."""
    prompts: PromptMix = "mix"
    """The prompts that it learns to answer."""
    loss: Literal["dice+ce", "dice+focal"] = "dice+ce"
    """Dice with which loss by pixel."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of the optimizer."""
    most_prompts: Count = 8
    """Most prompts a slice."""
    jitter: Fraction = 0.1
    """How far a box's sides are moved at random, part of the side."""
    warm_up: Fraction = 0.05
    """Part of the iterations in which the learning rate rises."""
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 4
    """Slices that are predicted at once."""

    @property
    def architecture(self) -> str:
        """What the network is called where models of all kinds are listed."""
        return f"Segment Anything, {self.train}"


class FinetuneSchedule(ScheduleSettings):
    """How long and how fast a network is fine-tuned."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.0001
    """Learning rate at its highest; tiny from scratch wants 0.001."""
    iterations: Count = 400
    """Iterations of the training, a batch each."""


class FinetuneLoopSettings(LoopSettings):
    """How a fine-tuning goes on; the best weights of its evaluations are kept."""

    evaluation_period: Count = 50
    """Iterations between evaluations on the validation slices; the best weights are kept."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 50
    """Iterations between checkpoints."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
