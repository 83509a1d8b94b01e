"""What the pipeline asks of a model, whatever its kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings, ModelSettings, TrainingSettings, ViewSettings
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.progress import Advance

if TYPE_CHECKING:
    from fewshot.detector.teacher import Renewal
    from fewshot.detector.watch import Watch
    from fewshot.training.sampling import TrainingSource


@dataclass(frozen=True)
class ModelJob:
    """Everything that decides what a training yields.

    Attributes:
        name: the model's name; becomes the source of its predictions.
        sources: the slices to train on.
        validation: labelled slices that are only looked at; average precision is taken on them.
        settings, augmentation, schedule: settings; a kind with an augmentation of its own in its
            settings does without `augmentation`.
        seed: of the weights' start, the order of samples and their augmentation.
        weights: file to start from, of a model of the same settings, in place of what they say.
        unlabelled: slices to learn from without labels, for settings that `learns_unlabelled`.
        renewal: how the soft labels of sources marked `renewed` are renewed; only for kinds that
            can.
        preprocess: what is done to every slice first, here and wherever the model predicts.
        watch: where the training can be watched, for kinds that can be; decides nothing.
    """

    name: str
    sources: Sequence["TrainingSource"]
    validation: SliceSet
    settings: ModelSettings
    augmentation: AugmentationSettings
    schedule: TrainingSettings
    seed: int
    weights: Path | None = None
    unlabelled: SliceSet | None = None
    renewal: "Renewal | None" = None
    preprocess: PreprocessSettings = AS_READ
    watch: "Watch | None" = None


class Model(Protocol):
    """A trained model, ready to be asked."""

    @property
    def name(self) -> str:
        """What its predictions say of where they come from."""

    def predict(
        self, slices: SliceSet, advance: Advance, view: ViewSettings | None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice, in the slices' order, best score first.

        In the slice's own pixels, whatever the view the model is given of it.
        """


class Kind(Protocol):
    """A kind of model, by the settings whose `kind` it is.

    A model's folder holds `model.json`, which says its kind, `model.pth`, and `training.jsonl`.
    """

    renews: bool  # whether it can renew soft labels while it trains

    def resolve(self, settings: Any) -> Any:
        """Return settings with device and starting weights as they are on this machine.

        Raises `InputError` for what cannot be had or is not known.
        """

    def check(self, settings: Any) -> None:
        """Raise `InputError` unless a network can be built and its starting weights fit it."""

    def train(self, job: ModelJob, out: Path, advance: Advance, replace: bool) -> AveragePrecision:
        """Train a model, leave it in the folder `out`, and return its validation AP.

        A training of the same job that was cut off goes on as if nothing had happened, and a model
        of it is kept. Without `replace` another job's model in the folder is an `InputError`.
        """

    def describe(self, folder: Path) -> dict[str, Any]:
        """Return a folder's description: kind, name, iterations, average_precision, and more."""

    def load(self, folder: Path, device: str) -> Model:
        """Return the model in a folder, ready to predict on `cpu`, `cuda` or `auto`."""
