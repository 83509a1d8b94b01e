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

    crop: Annotated[int, Field(ge=32, le=4096)] | None = None  # side of a random crop, pixels
    horizontal_flip: Fraction = 0.5
    vertical_flip: Fraction = 0.0
    quarter_turn: Fraction = 0.0
    affine: Fraction = 1.0
    rotation: Annotated[float, Field(ge=0, le=180)] = 12.0  # degrees, either way
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15  # fraction, each axis by itself
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.06  # fraction of the side, either way
    clahe: Fraction = 0.0
    clahe_clip: Annotated[float, Field(ge=1, le=40)] = 4.0  # largest limit of contrast
    brightness_contrast: Fraction = 0.5
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2  # fraction of 255, either way
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.2  # fraction, either way
    gamma: Fraction = 0.5
    gamma_limit: Annotated[float, Field(ge=0, lt=1)] = 0.2  # exponents 1 - limit to 1 + limit


class RegionSettings(Settings):
    """How predicted foreground becomes regions.

    `components`: foreground, opened, then its connected components. `watershed`: components of the
    foreground without its predicted boundaries, grown to the whole foreground.
    """

    method: RegionMethod = "watershed"
    threshold: Score = 0.5  # of the foreground's probability
    boundary_threshold: Score = 0.5  # of the boundaries' probability
    opening: Annotated[int, Field(ge=0, le=64)] = 1  # radius of the opening, pixels
    min_area: Annotated[int, Field(ge=0)] = 5  # smaller regions are dropped, pixels


class FeatUpSettings(Settings):
    """Joint-bilateral upsampling of a trained network's last features; 0 iterations is off."""

    iterations: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    radius: Annotated[int, Field(ge=1, le=8)] = 2  # of the window pixels are averaged over
    channels: Count = 32  # features are projected to so many at random while it trains
    views: Annotated[int, Field(ge=1, le=16)] = 2  # jittered views of each slice an iteration


class ConsistencySettings(Settings):
    """Learning from slices without labels, by what the running mean of the weights says of them."""

    weight: Annotated[float, Field(ge=0, le=100)] = 0.0  # of the loss on these slices; 0 is off
    # The mean's probability from which a pixel counts.
    confidence_threshold: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    burn_in: Fraction = 0.15  # part of the iterations that labelled slices have for themselves


class SemanticSettings(NetworkSettings):
    """One semantic network: what it is, how it is trained, and how its answer is read."""

    kind: Literal["semantic"] = "semantic"
    network: NetworkName = "unet"
    encoder: str = "tu-mobilenetv3_small_100"  # any of segmentation-models-pytorch, or tu-<timm>
    weights: str = "none"  # of the encoder: auto (ImageNet), none, or a file
    channels: Literal[1, 3] = 1  # of a slice; 3 keeps its colours
    boundary: bool = True  # also predict where regions end; `watershed` needs it
    gafl: bool = False  # a global adaptive filter in front
    featup: FeatUpSettings = FeatUpSettings()
    consistency: ConsistencySettings = ConsistencySettings()
    loss: Literal["dice_bce", "focal", "dice_focal"] = "dice_bce"
    regions: Annotated[RegionSettings, PREDICTION_ONLY] = RegionSettings()
    augmentation: SemanticAugmentation = SemanticAugmentation()
    optimizer: Literal["adamw", "sgd"] = "adamw"

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
