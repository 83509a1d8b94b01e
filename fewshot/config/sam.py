"""Settings of Segment Anything: in a run, and of fine-tuning."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fewshot.config.base import NO_RESULT, Count, Fraction, Settings

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


class FinetuneSettings(Settings):
    """How a Segment Anything network is fine-tuned."""

    train: Trained = "decoder"
    """What learns: the mask decoder alone, from embeddings; or all: the image encoder too."""
    prompts: PromptMix = "mix"
    """The prompts that it learns to answer."""
    loss: Literal["dice+ce", "dice+focal"] = "dice+ce"
    """Dice with which loss by pixel."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.0001
    """Learning rate at its highest; tiny from scratch wants 0.001."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of the optimizer."""
    iterations: Count = 400
    """Batches to learn from."""
    batch_size: Count = 4
    """Slices in a batch."""
    most_prompts: Count = 8
    """Most prompts a slice."""
    jitter: Fraction = 0.1
    """How far a box's sides are moved at random, part of the side."""
    warm_up: Fraction = 0.05
    """Part of the iterations in which the learning rate rises."""
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    evaluation_period: Count = 50
    """Iterations between evaluations on the validation slices; the best weights are kept."""
    checkpoint_period: Annotated[Count, NO_RESULT] = 50
    """Iterations between checkpoints."""
    mixed_precision: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    """Number format of the network's arithmetic; auto: bfloat16 on GPUs that have it."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything that is random."""
