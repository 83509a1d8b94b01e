"""Settings of preprocessing: named steps with parameters, and the three input channels."""

import difflib
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from fewshot.config.base import Auto, Settings


class ClaheStep(Settings):
    """Contrast limited adaptive histogram equalisation."""

    step: Literal["clahe"] = "clahe"
    """Which step it is."""
    clip_limit: Annotated[float, Field(ge=0.1, le=1000)] = 2.0
    """Contrast limit, as a multiple of a flat histogram's height."""
    tiles: Annotated[int, Field(ge=1, le=64)] = 8
    """Tiles per side; each has its own histogram."""


class BilateralStep(Settings):
    """Bilateral filter: the mean of nearby pixels of similar grey level."""

    step: Literal["bilateral"] = "bilateral"
    """Which step it is."""
    sigma_spatial: Annotated[float, Field(ge=0.5, le=64)] = 15.0
    """Standard deviation of the spatial weights, pixels."""
    sigma_grey: Auto | Annotated[float, Field(ge=0.1, le=255)] = "auto"
    """Standard deviation of the grey-level weights; auto: that of the slice."""


class TotalVariationStep(Settings):
    """Total variation denoising by Chambolle's algorithm."""

    step: Literal["tv"] = "tv"
    """Which step it is."""
    weight: Annotated[float, Field(ge=1e-4, le=100)] = 0.08
    """Strength of smoothing: 1 / λ, for grey levels from 0 to 1."""
    tolerance: Annotated[float, Field(ge=1e-8, le=1)] = 2e-4
    """Relative change of the cost at which it stops."""
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Maximum number of iterations."""


class MedianStep(Settings):
    """Median filter over a disk."""

    step: Literal["median"] = "median"
    """Which step it is."""
    radius: Annotated[int, Field(ge=1, le=32)] = 2
    """Radius of the disk, pixels."""


class SobelStep(Settings):
    """Magnitude of the Sobel gradient."""

    step: Literal["sobel"] = "sobel"
    """Which step it is."""
    gain: Annotated[float, Field(ge=0.01, le=255)] = 4.0
    """Factor from the gradient to grey levels."""


class CannyStep(Settings):
    """Canny edges: 255 on an edge, 0 elsewhere."""

    step: Literal["canny"] = "canny"
    """Which step it is."""
    sigma: Annotated[float, Field(ge=0, le=32)] = 1.0
    """Standard deviation of the preceding Gaussian blur, pixels."""
    low: Annotated[float, Field(ge=0, le=255)] = 5.0
    """Gradient above which an edge continues, grey levels per pixel."""
    high: Annotated[float, Field(ge=0, le=255)] = 15.0
    """Gradient above which an edge starts, grey levels per pixel."""

    @model_validator(mode="after")
    def _in_order(self) -> "CannyStep":
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low:g} and {self.high:g}")
        return self


class LogStep(Settings):
    """Laplacian of Gaussian: mid-grey where flat, bright on dark blobs and dark on bright ones."""

    step: Literal["log"] = "log"
    """Which step it is."""
    sigma: Annotated[float, Field(ge=0.5, le=32)] = 2.0
    """Standard deviation of the Gaussian, pixels."""
    gain: Annotated[float, Field(ge=0.01, le=255)] = 4.0
    """Factor from the filter's response to grey levels."""


KINDS = (
    ClaheStep,
    BilateralStep,
    TotalVariationStep,
    MedianStep,
    SobelStep,
    CannyStep,
    LogStep,
)
STEPS: dict[str, type[Settings]] = {kind.model_fields["step"].default: kind for kind in KINDS}


def _in_full(value: Any) -> Any:
    """Expand a bare name to a step with default parameters; refuse unknown names."""
    if isinstance(value, KINDS):
        return value
    step = {"step": value} if isinstance(value, str) else value
    if not isinstance(step, dict) or "step" not in step:
        raise ValueError("write a step as its name, or as {step: tv, weight: 0.1}")
    name = step["step"]
    if str(name) not in STEPS:
        close = difflib.get_close_matches(str(name), STEPS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known steps: {', '.join(STEPS)}"
        raise ValueError(f"unknown step{'' if isinstance(value, str) else f' {name!r}'}; {hint}")
    return step


def _name_of(value: Any) -> Any:
    return value.get("step") if isinstance(value, dict) else getattr(value, "step", None)


Step: TypeAlias = (
    Annotated[ClaheStep, Tag("clahe")]
    | Annotated[BilateralStep, Tag("bilateral")]
    | Annotated[TotalVariationStep, Tag("tv")]
    | Annotated[MedianStep, Tag("median")]
    | Annotated[SobelStep, Tag("sobel")]
    | Annotated[CannyStep, Tag("canny")]
    | Annotated[LogStep, Tag("log")]
)
Steps = Annotated[
    tuple[Annotated[Step, Discriminator(_name_of), BeforeValidator(_in_full)], ...],
    Field(max_length=16),
]


class PreprocessSettings(Settings):
    """Preprocessing of every slice before a model sees it, in training and prediction.

    `steps` come first, then `channels`, if given: a list of steps for each of the three input
    channels. With `input: colour` the three channels of a colour image (such as three CT windows of
    one slice) are kept; otherwise a slice is converted to grey. A list is short for `steps`.
    """

    input: Literal["grey", "colour"] = "grey"
    """Whether a slice is converted to grey, or the channels of a colour image are kept."""
    steps: Steps = ()
    """Steps applied to every slice, in this order."""
    channels: Annotated[tuple[Steps, ...], Field(min_length=3, max_length=3)] | None = None
    """Further steps for each of the three input channels; by default none."""

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_its_steps(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return {"steps": [] if value is None else [value]}
        return {"steps": value} if isinstance(value, list | tuple) else value

    @property
    def changes_nothing(self) -> bool:
        """Whether slices go to the model unchanged."""
        return self == AS_READ


AS_READ = PreprocessSettings()
