"""Settings of semantic networks: architecture, encoder, losses, regions."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fewshot.config.base import PREDICTION_ONLY, Fraction, Score, Settings
from fewshot.config.network import Experiments, NetworkSettings

NetworkName = Literal["unet", "unetplusplus", "deeplabv3", "deeplabv3plus", "pan"]
RegionMethod = Literal["components", "watershed"]
# Their decoders' output is coarser than the slice; FeatUp can do nothing for the others.
SHARPENED = ("deeplabv3", "deeplabv3plus", "pan")


class RegionSettings(Settings):
    """How regions are made from predicted foreground.

    `components`: the connected components of the opened foreground. `watershed`: components of the
    foreground minus predicted boundaries, grown to fill the foreground.
    """

    method: RegionMethod = "watershed"
    """Connected components of the foreground, or a watershed using predicted boundaries."""
    threshold: Score = 0.5
    """Probability from which a pixel is foreground."""
    boundary_threshold: Score = 0.5
    """Probability from which a pixel is a boundary; for `watershed`."""
    opening: Annotated[int, Field(ge=0, le=64)] = 1
    """Radius of the morphological opening of the foreground, pixels."""
    min_area: Annotated[int, Field(ge=0)] = 5
    """Area below which regions are dropped, pixels."""


class SemanticExperiments(Experiments):
    """Parts of a semantic network without a proven gain."""

    featup: Annotated[int, Field(ge=0)] = 0
    """Iterations of training a FeatUp upsampler of the last features, afterwards; 0: none."""


class ConsistencySettings(Settings):
    """Consistency training on unlabelled slices, with the moving average of the weights (`ema`)."""

    weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the loss on unlabelled slices; 0: off."""
    confidence_threshold: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    """Minimum confidence of the averaged network for a pixel to count."""
    burn_in: Fraction = 0.15
    """Fraction of the iterations, at the start, that use only labelled slices."""


class SemanticSettings(NetworkSettings):
    """A semantic network: architecture, training, and regions of its predictions."""

    kind: Literal["semantic"] = "semantic"
    """A semantic network."""
    network: NetworkName = "unet"
    """Architecture of the decoder."""
    encoder: str = "tu-mobilenetv3_small_100"
    """Any encoder of segmentation-models-pytorch, or tu- and the name of a timm model."""
    weights: str = "none"
    """Initial weights of the encoder: auto (ImageNet's), none (from scratch), or a file."""
    channels: Literal[1, 3] = 1
    """Channels of a slice; 3 keeps colours."""
    boundary: bool = True
    """Whether to predict boundaries of regions, too; `watershed` needs them."""
    consistency: ConsistencySettings = ConsistencySettings()
    loss: Literal["dice_bce", "focal", "dice_focal"] = "dice_bce"
    """Loss: Dice plus cross-entropy, focal, or Dice plus focal."""
    regions: Annotated[RegionSettings, PREDICTION_ONLY] = RegionSettings()
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimizer."""
    experimental: SemanticExperiments = SemanticExperiments()

    @property
    def architecture(self) -> str:
        """Name of the network in lists of models."""
        return f"{self.network} {self.encoder}"

    @property
    def learns_unlabelled(self) -> bool:
        """Whether training uses unlabelled slices."""
        return self.consistency.weight > 0

    def without_unlabelled(self) -> Self:
        """Return the same settings for training on labelled slices only."""
        return self.model_copy(update={"consistency": ConsistencySettings()})

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.learns_unlabelled and not self.ema:
            raise ValueError("consistency: needs an average of the weights, such as ema: 0.99")
        if self.regions.method == "watershed" and not self.boundary:
            raise ValueError("regions.method: watershed needs boundary: true (or use components)")
        if self.experimental.featup and self.network not in SHARPENED:
            raise ValueError(
                f"experimental.featup: {self.network} already predicts at the slice's resolution; "
                f"use one of {', '.join(SHARPENED)}"
            )
        return self
