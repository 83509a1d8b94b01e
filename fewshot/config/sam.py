"""Settings of Segment Anything: refinement in a run, encoder, automatic masks, fine-tuning."""

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
    """Refinement of a run's masks by Segment Anything, where validation slices show a gain."""

    refine: Literal["off", "predictions", "soft_labels", "both"] = "off"
    """Masks to refine, where validation slices show a gain."""
    checkpoint: str | None = None
    """Checkpoint file, or vit_b, vit_l, vit_h or medsam in the folder FEWSHOT_WEIGHTS."""
    batch_size: Count = 4
    """Slices per encoder batch."""

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
    """The image encoder's batches, number format and device."""

    batch_size: Count = 4
    """Slices per encoder batch."""
    mixed_precision: Precision = "auto"
    """Number format that the encoder computes in; auto: bfloat16 on GPUs."""
    device: Device = "auto"
    """Device to compute on."""


class AutomaticMaskSettings(Settings):
    """Automatic masks without prompts; the first four defaults are segment_anything's own."""

    points_per_side: Annotated[int, Field(ge=1, le=128)] = 32
    """Points per side of the grid of prompts."""
    min_quality: Annotated[float, Field(le=1)] = 0.88
    """Minimum IoU that the network predicts for a mask; predictions can be negative."""
    min_stability: Fraction = 0.95
    """Minimum IoU between a mask at a lower and at a higher threshold."""
    max_overlap: Fraction = 0.7
    """IoU above which only the better of two masks is kept."""
    min_area: Fraction = 0.0005
    """Smallest region, as a fraction of the slice."""
    max_area: Fraction = 0.4
    """Largest region, as a fraction of the slice."""
    max_border: Fraction = 0.25
    """Maximum fraction of the slice's border that a region may cover."""
    max_background: Fraction = 0.5
    """Maximum fraction of a region that may be dark background."""
    background_grey: Annotated[int, Field(ge=0, le=255)] = 10
    """Maximum grey level, 0 to 255, of the dark background."""
    overlap: Literal["smaller", "better"] = "smaller"
    """Region that gets the pixels of an overlap."""
    background: Literal["keep", "nearest"] = "keep"
    """Keep pixels without a region, or give them the nearest one."""

    @model_validator(mode="after")
    def _areas_in_order(self) -> Self:
        if self.min_area > self.max_area:
            raise ValueError("--min-area: is larger than --max-area; no region can satisfy both")
        return self


class FinetuneSettings(NetworkSettings):
    """Fine-tuning of Segment Anything."""

    kind: Literal["sam"] = "sam"
    """Segment Anything."""
    weights: Literal["none"] = "none"
    """Always none: training starts from the given checkpoint."""
    train: Trained = "decoder"
    """What to train: only the mask decoder, on embeddings; or all: the image encoder, too."""
    prompts: PromptMix = "mix"
    """Prompts to train with."""
    loss: Literal["dice+ce", "dice+focal"] = "dice+ce"
    """Dice plus cross-entropy or focal loss."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of the optimizer."""
    most_prompts: Count = 8
    """Maximum number of prompts per slice."""
    jitter: Fraction = 0.1
    """Maximum random shift of a box's sides, as a fraction of their length."""
    warm_up: Fraction = 0.05
    """Fraction of the iterations in which the learning rate rises."""
    prediction_batch_size: Annotated[Count, PREDICTION_ONLY] = 4
    """Slices per prediction batch."""

    @property
    def architecture(self) -> str:
        """Name of the network in lists of models."""
        return f"Segment Anything, {self.train}"


class FinetuneSchedule(ScheduleSettings):
    """Length and learning rate of a fine-tuning."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.0001
    """Peak learning rate; use 0.001 for tiny from scratch."""
    iterations: Count = 400
    """Training iterations, of one batch each."""


class FinetuneLoopSettings(LoopSettings):
    """The training loop of a fine-tuning, which keeps the best weights of its evaluations."""

    evaluation_period: Count = 50
    """Iterations between evaluations on validation slices; the best weights are kept."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 50
    """Iterations between checkpoints."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 1.0
    """Maximum norm of the gradient; a larger one is scaled down."""
