"""Settings of semantic networks: architecture, encoder, losses, augmentation, regions."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fewshot.config.base import PREDICTION_ONLY, Count, Fraction, Score, Settings
from fewshot.config.network import NetworkSettings

NetworkName = Literal["unet", "unetplusplus", "deeplabv3", "deeplabv3plus", "pan"]
RegionMethod = Literal["components", "watershed"]
# Their decoders answer below the slice's resolution; the others have nothing left to sharpen.
SHARPENED = ("deeplabv3", "deeplabv3plus", "pan")


class SemanticAugmentation(Settings):
    """Random changes of a training slice: how often each happens, and how strong it may be.

    Zero turns one off. Vertical flips and quarter turns suit slices that have no up and down.
    """

    crop: Annotated[int, Field(ge=32, le=4096)] | None = None
    """Side of a random crop, pixels."""
    horizontal_flip: Fraction = 0.5
    """How often a slice is mirrored."""
    vertical_flip: Fraction = 0.0
    """How often a slice is turned upside down."""
    quarter_turn: Fraction = 0.0
    """How often a slice is turned by quarters."""
    affine: Fraction = 1.0
    """How often a slice is turned, scaled and shifted."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 12.0
    """Largest turn, degrees, either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Largest change of size, part of it, each axis by itself."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Largest shift, part of the side, either way."""
    clahe: Fraction = 0.0
    """How often contrast is equalised."""
    clahe_clip: Annotated[float, Field(ge=1, le=40)] = 4.0
    """Largest limit of contrast."""
    brightness_contrast: Fraction = 0.5
    """How often brightness and contrast change."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest change of brightness, part of 255."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Largest change of contrast, part of it."""
    gamma: Fraction = 0.5
    """How often gamma changes."""
    gamma_limit: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Exponents from 1 - limit to 1 + limit."""


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


class FeatUpSettings(Settings):
    """Joint-bilateral upsampling of a trained network's last features; 0 iterations is off."""

    iterations: Annotated[int, Field(ge=0)] = 0
    """Iterations of the upsampler's training, after the network's; 0 is off."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    """Learning rate of the upsampler."""
    radius: Annotated[int, Field(ge=1, le=8)] = 2
    """Radius of the window that pixels are averaged over."""
    channels: Count = 32
    """To how many channels features are projected at random while it trains."""
    views: Annotated[int, Field(ge=1, le=16)] = 2
    """Jittered views of each slice in an iteration."""


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
    gafl: bool = False
    """A global adaptive filter of frequencies in front of the network."""
    featup: FeatUpSettings = FeatUpSettings()
    consistency: ConsistencySettings = ConsistencySettings()
    loss: Literal["dice_bce", "focal", "dice_focal"] = "dice_bce"
    """Loss by pixel: Dice and cross-entropy, focal, or Dice and focal."""
    regions: Annotated[RegionSettings, PREDICTION_ONLY] = RegionSettings()
    augmentation: SemanticAugmentation = SemanticAugmentation()
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimizer."""

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
        if self.featup.iterations and self.network not in SHARPENED:
            raise ValueError(
                f"featup: {self.network} answers at the slice's own resolution already; "
                f"use one of {', '.join(SHARPENED)}"
            )
        return self
