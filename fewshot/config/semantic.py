"""Settings of semantic networks: architecture, encoder, losses, regions."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fewshot.config.base import PREDICTION_ONLY, Fraction, Score, Settings
from fewshot.config.network import Experiments, NetworkSettings

NetworkName = Literal["unet", "unetplusplus", "deeplabv3", "deeplabv3plus", "pan"]
RegionMethod = Literal["components", "watershed"]
# Their decoders answer below the slice's resolution; the others have nothing left to sharpen.
SHARPENED = ("deeplabv3", "deeplabv3plus", "pan")


class RegionSettings(Settings):
    """How predicted foreground becomes regions.

    `components`: foreground, opened, then its connected components. `watershed`: components of the
    foreground without its predicted boundaries, grown to the whole foreground.
    """

    method: RegionMethod = "watershed"
    """Connected components of the foreground, or watershed over predicted boundaries."""
    threshold: Score = 0.5
    """Probability from which a pixel is foreground."""
    boundary_threshold: Score = 0.5
    """Probability from which a pixel is a boundary; for `watershed`."""
    opening: Annotated[int, Field(ge=0, le=64)] = 1
    """Radius of the opening that the foreground is smoothed by, pixels."""
    min_area: Annotated[int, Field(ge=0)] = 5
    """Smaller regions are dropped, pixels."""


class SemanticExperiments(Experiments):
    """Parts of a semantic network that have shown no sure gain."""

    featup: Annotated[int, Field(ge=0)] = 0
    """Iterations that an upsampler of the last features is trained for, after all else; 0: none."""


class ConsistencySettings(Settings):
    """Learning from slices without labels, by what the running mean of the weights says of them."""

    weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the loss on slices without labels; 0 is off."""
    confidence_threshold: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    """Probability, by the running mean of the weights, from which a pixel counts."""
    burn_in: Fraction = 0.15
    """Part of the iterations in which only labelled slices are learnt from."""


class SemanticSettings(NetworkSettings):
    """One semantic network: what it is, how it is trained, and how its answer is read."""

    kind: Literal["semantic"] = "semantic"
    """A semantic network."""
    network: NetworkName = "unet"
    """Architecture of the decoder."""
    encoder: str = "tu-mobilenetv3_small_100"
    """Any encoder of segmentation-models-pytorch, or tu- and the name of a timm model."""
    weights: str = "none"
    """Weights of the encoder to start from: auto (ImageNet's), none (from scratch), or a file."""
    channels: Literal[1, 3] = 1
    """Channels of a slice; 3 keeps its colours."""
    boundary: bool = True
    """Whether boundaries of regions are predicted too; `watershed` needs them."""
    consistency: ConsistencySettings = ConsistencySettings()
    loss: Literal["dice_bce", "focal", "dice_focal"] = "dice_bce"
    """Loss by pixel: Dice and cross-entropy, focal, or Dice and focal."""
    regions: Annotated[RegionSettings, PREDICTION_ONLY] = RegionSettings()
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimizer."""
    experimental: SemanticExperiments = SemanticExperiments()

    @property
    def architecture(self) -> str:
        """What the network is called where models of all kinds are listed."""
        return f"{self.network} {self.encoder}"

    @property
    def learns_unlabelled(self) -> bool:
        """Whether it is to learn from slices without labels."""
        return self.consistency.weight > 0

    def without_unlabelled(self) -> Self:
        """Return the same settings, but for learning from labelled slices alone."""
        return self.model_copy(update={"consistency": ConsistencySettings()})

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.learns_unlabelled and not self.ema:
            raise ValueError("consistency: needs a running mean of the weights, such as ema: 0.99")
        if self.regions.method == "watershed" and not self.boundary:
            raise ValueError("regions.method: watershed needs boundary: true (or use components)")
        if self.experimental.featup and self.network not in SHARPENED:
            raise ValueError(
                f"experimental.featup: {self.network} answers at the slice's own resolution "
                f"already; use one of {', '.join(SHARPENED)}"
            )
        return self
