"""The settings of a run, as a tree of strict pydantic models.

All defaults work; unknown keys, wrong types and impossible values are refused. The value `auto` is
resolved before use, and the resolved tree is saved with the run.
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
    """Synthetic CT-like slices, to try fewshot without data."""

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
    """The slices and labels, in any form that `convert` reads; or a phantom instead of files."""

    phantom: PhantomData | None = None
    train_images: Path | None = None
    """Labelled and unlabelled slices: a file or folder of any form."""
    train_labels: Path | None = None
    """Labels of any form; by default those that lie beside the images (a.png, a_mask.png)."""
    test_images: Path | None = None
    """Test slices, of any form; without them the validation slices are answered."""
    test_labels: Path | None = None
    """Labels of the test slices, to score on; optional."""
    groups: Path | None = None
    """CSV of image and patient, to split by patient; guessed by default; `none`: no patients."""
    test_groups: Path | None = None
    """The same for the test slices, to resample intervals by patient."""
    window: str | None = None
    """Grey window, as for convert: soft-tissue, 40/400, percentile, …; not for 8-bit images."""
    axis: str | None = None
    """Axis of NIfTI volumes: axial, coronal, sagittal, 0, 1 or 2; by default axial."""
    spacing: tuple[float, float, float] | None = None
    """Treats numbered slices as a volume of this spacing: between columns, rows, slices, mm."""
    labelled: Auto | Count = "auto"
    """Number of labelled slices to use, in file order; others count as unlabelled. auto: all."""
    labelled_patients: Count | None = None
    """Number of patients whose labels to use, in file order; needs groups. By default all."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of the labelled slices for validation."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        files = (self.train_images, self.train_labels, self.test_images)
        of_test = {"test_labels": self.test_labels, "test_groups": self.test_groups}
        if self.labelled != "auto" and self.labelled_patients is not None:
            raise ValueError("has both labelled and labelled_patients; keep one of them")
        if self.phantom is None and self.train_images is None:
            raise ValueError("needs train_images (or phantom)")
        if not all(0 < side <= 1000 for side in self.spacing or ()):
            raise ValueError("spacing: must be greater than 0, and 1000 mm at most")
        for key, path in of_test.items():
            if self.phantom is None and path is not None and self.test_images is None:
                raise ValueError(f"has {key} without test_images; give these, too")
        if self.phantom is not None and any(
            (*files, self.groups, *of_test.values(), self.window, self.axis, self.spacing)
        ):
            raise ValueError("has both phantom and files; keep one of them")
        return self


class DetectorSettings(NetworkSettings):
    """The Mask R-CNN of the radiologists and the final model that have no `model` of their own."""

    kind: Literal["mask_rcnn"] = "mask_rcnn"
    """A Mask R-CNN."""
    architecture: str = "tiny"
    """tiny, or a Mask R-CNN of Detectron2's model zoo by its file name."""
    options: tuple[str | int | float | bool | list[int | float | str], ...] = ()
    """Detectron2 configuration keys, each followed by its value."""
    input_size: Annotated[int, Field(ge=32, le=4096)] | None = None
    """Length that the shorter side of slices is resized to, pixels; by default not resized."""
    optimizer: Literal["auto", "adamw", "sgd"] = "auto"
    """Optimizer; auto: AdamW for tiny, SGD for the model zoo."""
    max_masks: Annotated[int, Field(ge=1, le=1000), PREDICTION_ONLY] = 100
    """Maximum number of masks predicted per slice."""
    experimental: Experiments = Experiments()

    @model_validator(mode="after")
    def _options_are_pairs(self) -> Self:
        if len(self.options) % 2:
            raise ValueError("options: must be Detectron2 keys, each followed by its value")
        return self


class AugmentationSettings(Settings):
    """Random changes to a training slice and its masks; 0 (or false) turns one off."""

    flip: bool = True
    """Whether half of the slices are flipped left to right."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 12.0
    """Maximum rotation in either direction, degrees."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Maximum relative change of size, up or down."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Maximum shift in either direction, as a fraction of the side."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Maximum relative change of contrast, up or down."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Maximum change of brightness, up or down, as a fraction of 255."""
    noise: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Maximum standard deviation of Gaussian noise, as a fraction of 255."""
    elastic: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Maximum elastic displacement, as a fraction of the shorter side."""
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Maximum gamma: exponents are between 1 / (1 + gamma) and 1 + gamma."""
    blur: Annotated[float, Field(ge=0, le=16)] = 0.0
    """Maximum standard deviation of a Gaussian blur, pixels."""
    cutout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Maximum side of a blanked square, as a fraction of the shorter side."""


class FinalAugmentationSettings(AugmentationSettings):
    """Augmentation of the final model's training slices."""

    copy_paste: Fraction = 0.0
    """Probability that structures of another slice are pasted in; Mask R-CNN only."""


class ViewSettings(Settings):
    """One view of test-time augmentation: a scaled or flipped slice."""

    scale: Annotated[float, Field(gt=0.1, lt=10)] = 1.0
    """Scale of the slice in this view; above 1 it is enlarged."""
    flip: bool = False
    """Whether the view is flipped left to right."""


Tta = Annotated[tuple[ViewSettings, ...], Field(min_length=1, max_length=16)]


class PredictionSettings(Settings):
    """How every model predicts validation and test slices.

    The masks of all views of test-time augmentation (`tta`) are merged by vote. With `ensemble`,
    the radiologists vote together with the final model; with `refine_with`, a radiologist's
    foreground refines the final model's masks. The control gets the same, by the twins of
    radiologists that have learnt from unlabelled slices.
    """

    tta: Tta = (ViewSettings(),)
    ensemble: bool = False
    """Whether the final model's predictions are those of an ensemble with the radiologists."""
    refine_with: Name | None = None
    """Radiologist whose foreground refines the final model's masks."""


def _kind_of(value: Any) -> str:
    kind = value.get("kind", "mask_rcnn") if isinstance(value, dict) else getattr(value, "kind", "")
    return f"kind:{kind}"


# The table of kinds of models: the settings class of each, by its `kind`, which is also the name of
# its module, `fewshot.models.<kind>`. The tags could not be settings' names, so that messages can
# leave them out.
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
    """A radiologist: an intermediate model that writes soft labels (pseudo-labels)."""

    name: Name
    """Its name in files and tables."""
    score_threshold: Annotated[Score, PREDICTION_ONLY] = 0.7
    """Minimum score of its soft labels, where each radiologist labels its share."""
    model: ModelSettings | None = None
    """Its own model; by default the run's `detector`."""


class FinalSettings(ScheduleSettings):
    """The final model, which is trained on labelled and soft-labelled slices."""

    score_threshold: Annotated[Auto | Score, PREDICTION_ONLY] = "auto"
    """Minimum score of its masks in the submission; auto: chosen on the validation slices."""
    warm_start: bool | Name = False
    """Start from the best (or the named) radiologist's weights; of a semantic one, its encoder."""
    model: ModelSettings | None = None
    """Its own model; by default the run's `detector`."""


class SoftLabelSettings(Settings):
    """How soft labels are chosen, and mixed with the labelled slices.

    With `partition` each slice is labelled by one radiologist, using its `score_threshold`; with
    `vote` all radiologists label every slice and vote, using `vote_threshold`.
    """

    assignment: Literal["partition", "vote"] = "partition"
    """Whether each slice is labelled by one radiologist, or by a vote of all."""
    vote_threshold: Score = 0.5
    """Minimum score of a soft label by vote."""
    mask_source: str | None = None
    """Radiologist whose foreground refines the soft labels that the others vote for."""
    ignore_threshold: Fraction = 0.0
    """Masks between this score and the threshold are ignored by the losses; 0: off."""
    tta: Tta = (ViewSettings(),)
    labelled_share: Score = 0.5
    """Fraction of each batch that is labelled; the rest is soft-labelled."""


class ExperimentalSettings(Settings):
    """Options without a proven gain; they may be removed without notice."""

    precision_thresholds: bool = False
    """Read thresholds of soft labels as precisions, measured on the validation slices."""
    max_masks_per_slice: Auto | Count | None = None
    """Maximum number of soft labels per slice; auto: the most masks of a labelled slice."""
    score_weighted_loss: bool = False
    """Weight soft labels by their scores in the losses."""
    final_augmentation: FinalAugmentationSettings | None = None
    """Augmentation of the final model, if different from the radiologists'."""


class MergeSettings(Settings):
    """How overlapping masks become a label map, and which metric this is tuned for."""

    background: Literal["auto", "keep", "nearest"] = "auto"
    """Keep pixels without a region, or give them the nearest one; auto: chosen on validation."""
    metric: Metric = "foreground"
    """The adjusted Rand index to tune for: over the true foreground, or all pixels."""
    min_area: Auto | Annotated[int, Field(ge=0)] = "auto"
    """Area below which regions are dropped, pixels; auto: chosen on validation."""


# Architecture of a detector → encoder of a semantic network with the same layers.
_BACKBONE_ENCODERS = {"tiny": "resnet18"}


def _has_backbone_of(source: NetworkSettings, final: NetworkSettings) -> bool:
    """Whether a semantic network's encoder can initialise a detector's backbone."""
    return (
        isinstance(source, SemanticSettings)
        and isinstance(final, DetectorSettings)
        and source.encoder == _BACKBONE_ENCODERS.get(final.architecture)
    )


def _three_radiologists() -> tuple[RadiologistSettings, ...]:
    return (
        RadiologistSettings(name="rough", learning_rate=0.002, iterations=350),
        RadiologistSettings(name="steady", learning_rate=0.001, iterations=500),
        RadiologistSettings(name="fine", learning_rate=0.0005, iterations=650),
    )


class RunSettings(Settings):
    """All settings of `fewshot run`."""

    data: DataSettings
    preprocess: PreprocessSettings = PreprocessSettings()
    device: Annotated[Device, PREDICTION_ONLY] = "auto"
    """Device that networks compute on; auto: a GPU if there is one."""
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
    """Whether to train a control, too: the final model on labelled slices only."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of all random numbers."""

    def model_of(self, name: str) -> ModelSettings:
        """Return a model's settings: a radiologist's by name, or for other names the final's."""
        own = {radiologist.name: radiologist.model for radiologist in self.radiologists}
        return own.get(name, self.final.model) or self.detector

    @property
    def twins(self) -> dict[str, str]:
        """The radiologists that have a twin for the control, with the twins' names.

        The control must not have seen unlabelled slices. A radiologist that learns from them and
        contributes to the final model or its predictions is therefore trained a second time, on
        labelled slices only, and this twin contributes to the control.
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
            raise ValueError(
                f"{setting}: {name!r} is not a radiologist; there are {', '.join(names)}"
            )

    @model_validator(mode="after")
    def _warm_start_fits(self) -> Self:
        final, source = self.model_of(FINAL), self.final.warm_start
        names = [radiologist.name for radiologist in self.radiologists]
        if source is True and any(self.model_of(name) != final for name in names):
            raise ValueError(
                "final.warm_start: needs radiologists with the same model as the final one"
            )
        if isinstance(source, bool):
            return self
        self._check_radiologist(source, "final.warm_start")
        if self.model_of(source) != final and not _has_backbone_of(self.model_of(source), final):
            raise ValueError(
                f"final.warm_start: {source} and the final model are different models, and "
                f"{source} is not a semantic network whose encoder is the final model's backbone "
                "(resnet18 for tiny)"
            )
        return self

    @model_validator(mode="after")
    def _mask_sources_exist(self) -> Self:
        name, names = self.soft_labels.mask_source, [one.name for one in self.radiologists]
        if self.prediction.refine_with is not None:
            self._check_radiologist(self.prediction.refine_with, "prediction.refine_with")
        if name is None:
            return self
        if name not in names or len(names) < 2:
            raise ValueError(
                f"soft_labels.mask_source: must be one of at least two radiologists, not {name!r}; "
                f"there are {', '.join(names)}"
            )
        if self.soft_labels.assignment != "vote":
            raise ValueError("soft_labels.mask_source: needs soft_labels.assignment=vote")
        return self

    @model_validator(mode="after")
    def _controls_see_no_unlabelled_slices(self) -> Self:
        if self.final.model is not None and self.final.model.learns_unlabelled:
            raise ValueError(
                "final.model.consistency: only radiologists can use it; the final model learns "
                "from their soft labels, and a control from labelled slices only"
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
                "experimental.final_augmentation.copy_paste: needs a Mask R-CNN as final model, "
                "not a semantic network"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [radiologist.name for radiologist in self.radiologists]
        if len(set(names)) < len(names):
            raise ValueError(f"radiologists: the names must differ, got {', '.join(names)}")
        for name in names:
            if not is_radiologists_name(name):
                raise ValueError(f"radiologists: the name {name!r} is reserved; choose another")
        return self
