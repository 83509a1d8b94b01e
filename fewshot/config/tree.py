"""The settings of a run, as one tree of strict models.

Every default is a value that works; unknown keys, wrong types and impossible values are refused.
The phrase `auto` in a value is resolved before it is used, and the resolved tree is saved with the
run.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from fewshot.config.base import (
    NO_RESULT,
    PREDICTION_ONLY,
    Auto,
    Count,
    Fraction,
    Metric,
    Name,
    Score,
    Settings,
)
from fewshot.config.logging import LoggingSettings
from fewshot.config.names import FINAL, TWIN, is_radiologists_name
from fewshot.config.network import (
    Device,
    Experiments,
    LoopSettings,
    NetworkSettings,
    ScheduleSettings,
)
from fewshot.config.preprocessing import PreprocessSettings
from fewshot.config.sam import SamSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.watershed import WatershedSettings


class PhantomData(Settings):
    """Made-up CT-like slices, for trying fewshot without any data."""

    size: Annotated[int, Field(ge=64, le=1024)] = 128
    """Height and width of a slice, pixels."""
    labelled: Annotated[int, Field(ge=4)] = 24
    """Number of labelled slices."""
    unlabelled: Annotated[int, Field(ge=0)] = 60
    """Number of slices without labels."""
    test: Count = 24
    """Number of test slices."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the slices' anatomy and noise."""


class DataSettings(Settings):
    """Where the slices are, in the challenge's form; or a phantom instead of files."""

    phantom: PhantomData | None = None
    train_images: Path | None = None
    """Folder of labelled and unlabelled slices."""
    train_labels: Path | None = None
    """Labels of the labelled ones."""
    test_images: Path | None = None
    """Folder of test slices."""
    test_labels: Path | None = None
    """Labels of the test slices, to score on; they are not needed."""
    groups: Path | None = None
    """CSV of image and patient, for whole patients in validation; else guessed; `none`: not."""
    test_groups: Path | None = None
    """The same of the test slices: intervals then draw whole patients."""
    labelled: Auto | Count = "auto"
    """Labelled slices that are used, in file order; the others join the unlabelled. auto: all."""
    labelled_patients: Count | None = None
    """Patients whose labels are used, all of each, in file order; needs groups. Without: all."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Part of the labelled slices that is kept for validation."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        files = (self.train_images, self.train_labels, self.test_images)
        if self.labelled != "auto" and self.labelled_patients is not None:
            raise ValueError("has both labelled and labelled_patients; keep one of them")
        if self.phantom is None and None in files:
            raise ValueError("needs train_images, train_labels and test_images (or phantom)")
        if self.phantom is not None and any(
            (*files, self.test_labels, self.groups, self.test_groups)
        ):
            raise ValueError("has both phantom and files; keep one of them")
        return self


class DetectorSettings(NetworkSettings):
    """The Mask R-CNN that radiologists and the final model are made from, unless they say."""

    kind: Literal["mask_rcnn"] = "mask_rcnn"
    """A Mask R-CNN."""
    architecture: str = "tiny"
    """tiny, or a Mask R-CNN of Detectron2's model zoo by the name of its file."""
    options: tuple[str | int | float | bool | list[int | float | str], ...] = ()
    """Detectron2's own keys and values in turn."""
    input_size: Annotated[int, Field(ge=32, le=4096)] | None = None
    """Shorter side that slices are resized to, pixels; their own size without."""
    optimizer: Literal["auto", "adamw", "sgd"] = "auto"
    """Optimizer; auto: AdamW for tiny, SGD for the model zoo."""
    max_masks: Annotated[int, Field(ge=1, le=1000), PREDICTION_ONLY] = 100
    """Most masks that are predicted on a slice."""
    experimental: Experiments = Experiments()

    @model_validator(mode="after")
    def _options_are_pairs(self) -> Self:
        if len(self.options) % 2:
            raise ValueError("options: must be Detectron2 keys and values in turn")
        return self


class AugmentationSettings(Settings):
    """Random changes of a training slice and its masks; zero (or false) turns one off."""

    flip: bool = True
    """Whether half of the slices are mirrored, left for right."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 12.0
    """Largest turn, degrees, either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Largest change of size, part of it, either way."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Largest shift, part of the side, either way."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Largest change of contrast, part of it, either way."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Largest change of brightness, part of 255, either way."""
    noise: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Largest standard deviation of Gaussian noise, part of 255."""
    elastic: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Largest elastic bend, part of the shorter side."""
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest gamma: exponents up to 1 + gamma, or 1 / that."""
    blur: Annotated[float, Field(ge=0, le=16)] = 0.0
    """Largest standard deviation of a Gaussian blur, pixels."""
    cutout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest square that is blanked, part of the shorter side."""


class FinalAugmentationSettings(AugmentationSettings):
    """The random changes of the final model's slices, where it has its own."""

    copy_paste: Fraction = 0.0
    """How often structures of another slice are pasted in; for a Mask R-CNN."""


class ViewSettings(Settings):
    """One view of test-time augmentation: a slice enlarged or reduced, and left for right."""

    scale: Annotated[float, Field(gt=0.1, lt=10)] = 1.0
    """Size of the slice in this view; above 1 it is enlarged."""
    flip: bool = False
    """Whether the view is mirrored, left for right."""


Tta = Annotated[tuple[ViewSettings, ...], Field(min_length=1, max_length=16)]


class PredictionSettings(Settings):
    """How validation and test slices are predicted, by all models alike.

    With several views of test-time augmentation (`tta`) a model votes with itself. `ensemble` lets
    the radiologists vote with the final model where its answer is asked for; `refine_with` names
    one whose foreground gives that answer's masks their pixels. Both are done to the control's as
    well, there by the twins of radiologists that have learnt from unlabelled slices.
    """

    tta: Tta = (ViewSettings(),)
    ensemble: bool = False
    """Whether the radiologists vote with the final model."""
    refine_with: Name | None = None
    """A radiologist whose foreground gives the answer's masks their pixels."""


def _kind_of(value: Any) -> str:
    kind = value.get("kind", "mask_rcnn") if isinstance(value, dict) else getattr(value, "kind", "")
    return f"kind:{kind}"


# The table of kinds of models: the class of the settings of each, under the word that they have for
# `kind`. What a kind can do is in the module `fewshot.models.<kind>`. The tags are no names that
# settings could have, so that messages leave them out.
_AnyKind = (
    Annotated[DetectorSettings, Tag("kind:mask_rcnn")]
    | Annotated[SemanticSettings, Tag("kind:semantic")]
)
KINDS: tuple[str, ...] = tuple(
    one.__metadata__[0].tag.removeprefix("kind:") for one in get_args(_AnyKind)
)
# Settings of a model of any kind; those of a Mask R-CNN may leave `kind` out.
ModelSettings = Annotated[
    _AnyKind,
    Discriminator(
        _kind_of,
        custom_error_type="unknown_kind",
        custom_error_message=f"the kinds of models are {' and '.join(KINDS)}",
    ),
]


class RadiologistSettings(ScheduleSettings):
    """One intermediate model, and the score above which its masks become soft labels."""

    name: Name
    """Its name, in files and tables."""
    score_threshold: Annotated[Score, PREDICTION_ONLY] = 0.7
    """Score from which its masks become soft labels, where each radiologist reads its share."""
    model: ModelSettings | None = None
    """The run's detector when left out."""


class FinalSettings(ScheduleSettings):
    """The final model; its score threshold is chosen on the validation slices when `auto`."""

    score_threshold: Annotated[Auto | Score, PREDICTION_ONLY] = "auto"
    """Score from which its masks are in the answer; auto: chosen on the validation slices."""
    warm_start: bool | Name = False
    """Start from the best radiologist's weights, or a named one's (a semantic one: its encoder)."""
    model: ModelSettings | None = None
    """The run's detector when left out."""


class SoftLabelSettings(Settings):
    """How soft labels are taken and mixed with the labelled slices.

    With `partition` each slice is read by one radiologist, whose `score_threshold` holds; with
    `vote` all read every slice, and masks count from `vote_threshold` on.
    """

    assignment: Literal["partition", "vote"] = "partition"
    """Whether each slice is read by one radiologist, or all read every slice and vote."""
    vote_threshold: Score = 0.5
    """Score from which a voted mask is a soft label."""
    mask_source: str | None = None
    """A radiologist whose foreground gives the pixels of what the others vote for."""
    ignore_threshold: Fraction = 0.0
    """From this score up, masks below the threshold are ignored by the losses; 0 is off."""
    tta: Tta = (ViewSettings(),)
    labelled_share: Score = 0.5
    """Share of every batch that is labelled; the rest is soft-labelled."""


class ExperimentalSettings(Settings):
    """What has shown no gain so far, or has not been measured; it may go without notice."""

    precision_thresholds: bool = False
    """Thresholds of soft labels are the precision that scores have on the validation slices."""
    max_masks_per_slice: Auto | Count | None = None
    """Most soft labels of a slice; auto: as many as the fullest labelled slice has masks."""
    score_weighted_loss: bool = False
    """A soft label counts by its score in the losses."""
    final_augmentation: FinalAugmentationSettings | None = None
    """Other random changes for the final model's slices than for the radiologists'."""


class MergeSettings(Settings):
    """How overlapping masks become one label map, and which metric that is tuned for."""

    background: Literal["auto", "keep", "nearest"] = "auto"
    """Whether pixels without a region stay so or get the nearest one; auto: as validation says."""
    metric: Metric = "foreground"
    """The adjusted Rand index that is tuned for: over the true foreground, or all pixels."""
    min_area: Auto | Annotated[int, Field(ge=0)] = "auto"
    """Smaller regions are dropped, pixels; auto: as validation says."""


# A detector's architecture → the encoder of a semantic network that has the same layers.
_BACKBONE_ENCODERS = {"tiny": "resnet18"}


def _lends_a_backbone(lender: NetworkSettings, final: NetworkSettings) -> bool:
    """Whether a radiologist is a semantic network whose encoder is the final model's backbone."""
    return (
        isinstance(lender, SemanticSettings)
        and isinstance(final, DetectorSettings)
        and lender.encoder == _BACKBONE_ENCODERS.get(final.architecture)
    )


def _three_radiologists() -> tuple[RadiologistSettings, ...]:
    return (
        RadiologistSettings(name="rough", learning_rate=0.002, iterations=350),
        RadiologistSettings(name="steady", learning_rate=0.001, iterations=500),
        RadiologistSettings(name="fine", learning_rate=0.0005, iterations=650),
    )


class RunSettings(Settings):
    """Everything `fewshot run` needs to know."""

    data: DataSettings
    preprocess: PreprocessSettings = PreprocessSettings()
    device: Annotated[Device, PREDICTION_ONLY] = "auto"
    """Where networks compute; auto: on a GPU if there is one."""
    detector: DetectorSettings = DetectorSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    training: LoopSettings = LoopSettings()
    radiologists: Annotated[tuple[RadiologistSettings, ...], Field(min_length=1)] = Field(
        default_factory=_three_radiologists
    )
    soft_labels: SoftLabelSettings = SoftLabelSettings()
    final: FinalSettings = FinalSettings()
    prediction: Annotated[PredictionSettings, PREDICTION_ONLY] = PredictionSettings()
    merge: Annotated[MergeSettings, PREDICTION_ONLY] = MergeSettings()
    baseline: Annotated[WatershedSettings, PREDICTION_ONLY] = WatershedSettings()
    logging: Annotated[LoggingSettings, NO_RESULT] = LoggingSettings()
    sam: SamSettings = SamSettings()
    experimental: ExperimentalSettings = ExperimentalSettings()
    control: bool = False
    """Whether a control is trained too: the final model's settings on labelled slices alone."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of everything that is random."""

    def model_of(self, name: str) -> ModelSettings:
        """Return the settings of a model: a radiologist by name; any other name is the final's."""
        own = {radiologist.name: radiologist.model for radiologist in self.radiologists}
        return own.get(name, self.final.model) or self.detector

    @property
    def twins(self) -> dict[str, str]:
        """Which radiologists stand beside the control as twins of theirs, and the twins' names.

        The control is to know nothing of unlabelled slices. A radiologist that has learnt from them
        and has a part in the final model or its answers is trained a second time, on labelled
        slices alone, and has the same part in the control.
        """
        if not self.control:
            return {}
        names = [radiologist.name for radiologist in self.radiologists]
        parts = {self.final.warm_start, self.prediction.refine_with}
        return {
            name: f"{TWIN}{name}"
            for name in names
            if (name in parts or self.prediction.ensemble) and self.model_of(name).learns_unlabelled
        }

    def _check_radiologist(self, name: str, setting: str) -> None:
        names = [radiologist.name for radiologist in self.radiologists]
        if name not in names:
            raise ValueError(f"{setting}: {name!r} is no radiologist; there are {', '.join(names)}")

    @model_validator(mode="after")
    def _a_warm_start_is_of_the_same_model(self) -> Self:
        final, lender = self.model_of(FINAL), self.final.warm_start
        names = [radiologist.name for radiologist in self.radiologists]
        if lender is True and any(self.model_of(name) != final for name in names):
            raise ValueError("final.warm_start: needs radiologists of the same model as the final")
        if isinstance(lender, bool):
            return self
        self._check_radiologist(lender, "final.warm_start")
        if self.model_of(lender) != final and not _lends_a_backbone(self.model_of(lender), final):
            raise ValueError(
                f"final.warm_start: {lender} is another model than the final, and no semantic "
                "network whose encoder is the final's backbone (resnet18 and tiny)"
            )
        return self

    @model_validator(mode="after")
    def _masks_are_a_radiologists(self) -> Self:
        name, names = self.soft_labels.mask_source, [one.name for one in self.radiologists]
        if self.prediction.refine_with is not None:
            self._check_radiologist(self.prediction.refine_with, "prediction.refine_with")
        if name is None:
            return self
        if name not in names or len(names) < 2:
            raise ValueError(
                f"soft_labels.mask_source: must be one of several radiologists, not {name!r}; "
                f"there are {', '.join(names)}"
            )
        if self.soft_labels.assignment != "vote":
            raise ValueError("soft_labels.mask_source: needs soft_labels.assignment=vote")
        return self

    @model_validator(mode="after")
    def _controls_see_no_unlabelled_slices(self) -> Self:
        if self.final.model is not None and self.final.model.learns_unlabelled:
            raise ValueError(
                "final.model.consistency: is for radiologists; the final model learns from their "
                "soft labels, and a control from labelled slices alone"
            )
        return self

    @model_validator(mode="after")
    def _only_detectors_paste(self) -> Self:
        own = self.experimental.final_augmentation
        if (
            own is not None
            and own.copy_paste
            and isinstance(self.model_of(FINAL), SemanticSettings)
        ):
            raise ValueError(
                "experimental.final_augmentation.copy_paste: is for a final Mask R-CNN, not a "
                "semantic network"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [radiologist.name for radiologist in self.radiologists]
        if len(set(names)) < len(names):
            raise ValueError(f"radiologists: the names must differ, got {', '.join(names)}")
        for name in names:
            if not is_radiologists_name(name):
                raise ValueError(f"radiologists: the name {name!r} is taken; choose another")
        return self
