"""Settings of preprocessing: named steps with their parameters, and the three input channels."""

import difflib
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from fewshot.config.base import Auto, Settings


class ClaheStep(Settings):
    """Contrast limited adaptive histogram equalisation."""

    step: Literal["clahe"] = "clahe"
    """Which step it is."""
    clip_limit: Annotated[float, Field(ge=0.1, le=1000)] = 2.0
    """Limit of contrast, in heights of a flat histogram."""
    tiles: Annotated[int, Field(ge=1, le=64)] = 8
    """Tiles a side; each has a histogram of its own."""


class BilateralStep(Settings):
    """Mean of near pixels of similar grey."""

    step: Literal["bilateral"] = "bilateral"
    """Which step it is."""
    sigma_spatial: Annotated[float, Field(ge=0.5, le=64)] = 15.0
    """Standard deviation of the weights by distance, pixels."""
    sigma_grey: Auto | Annotated[float, Field(ge=0.1, le=255)] = "auto"
    """Standard deviation of the weights by grey level; auto: that of the slice."""


class TotalVariationStep(Settings):
    """Total variation denoising by Chambolle's algorithm."""

    step: Literal["tv"] = "tv"
    """Which step it is."""
    weight: Annotated[float, Field(ge=1e-4, le=100)] = 0.08
    """Strength of the smoothing: 1 / λ, for grey levels from 0 to 1."""
    tolerance: Annotated[float, Field(ge=1e-8, le=1)] = 2e-4
    """Relative change of the cost at which it stops."""
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Most iterations."""


class MedianStep(Settings):
    """Median of a disk."""

    step: Literal["median"] = "median"
    """Which step it is."""
    radius: Annotated[int, Field(ge=1, le=32)] = 2
    """Radius of the disk, pixels."""


class SobelStep(Settings):
    """Strength of the gradient."""

    step: Literal["sobel"] = "sobel"
    """Which step it is."""
    gain: Annotated[float, Field(ge=0.01, le=255)] = 4.0
    """Factor from the gradient to grey levels."""


class CannyStep(Settings):
    """Thin edges: 255 on them, 0 elsewhere."""

    step: Literal["canny"] = "canny"
    """Which step it is."""
    sigma: Annotated[float, Field(ge=0, le=32)] = 1.0
    """Standard deviation of the Gaussian before, pixels."""
    low: Annotated[float, Field(ge=0, le=255)] = 5.0
    """Gradient above which an edge goes on, grey levels a pixel."""
    high: Annotated[float, Field(ge=0, le=255)] = 15.0
    """Gradient above which an edge begins, grey levels a pixel."""

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
    """Factor from the filter's answer to grey levels."""


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
    """Let a bare name stand for a step with its default parameters; refuse unknown names."""
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
    """What is done to every slice before a model sees it, in training and in prediction alike.

    `steps` come first; `channels`, where given, go on from there, a sequence for each of the three
    input channels. With `input: colour` the three channels of a colour image (such as three CT
    windows of one slice) are kept apart; otherwise a slice is grey. A list stands for `steps`.
    """

    input: Literal["grey", "colour"] = "grey"
    """Whether a slice is read as grey, or the three channels of a colour image are kept apart."""
    steps: Steps = ()
    """Steps that are done to every slice, in this order."""
    channels: Annotated[tuple[Steps, ...], Field(min_length=3, max_length=3)] | None = None
    """Steps after those, for each of the three input channels; all channels alike without."""

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_its_steps(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return {"steps": [] if value is None else [value]}
        return {"steps": value} if isinstance(value, list | tuple) else value

    @property
    def changes_nothing(self) -> bool:
        """Whether a slice goes to the model as it was read."""
        return self == AS_READ


AS_READ = PreprocessSettings()
