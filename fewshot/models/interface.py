"""What the pipeline asks of a model, whatever its kind, and what a kind of model has to offer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fewshot.config.network import NetworkSettings
from fewshot.config.tree import ViewSettings
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import Advance, no_progress
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import TrainedNetwork

if TYPE_CHECKING:
    from fewshot.training.task import TrainingTask

Given = TypeVar("Given", bound=NetworkSettings)


class ModelFamily(Protocol[Given]):
    """A kind of model: everything that depends on what sort of network it is.

    It is found by the `kind` of its settings (see `models.registry`).
    """

    def resolve(self, settings: Given) -> Given:
        """Return settings with the starting weights as they are on this machine.

        Raises `InputError` for what cannot be had or is not known.
        """

    def check(self, settings: Given) -> None:
        """Raise `InputError` unless a network can be built and its starting weights fit it."""

    def task(self, job: TrainingJob) -> "TrainingTask[Any, Given]":
        """Return what the training loop needs to know of a job of this kind."""

    def load(self, folder: Path, device: str) -> TrainedNetwork:
        """Return the network in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""

    def predict(
        self, model: TrainedNetwork, slices: SliceSet, advance: Advance, view: ViewSettings | None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice, in the slices' order, best score first.

        In the slice's own pixels, whatever the view the network is given of it.
        """


@dataclass(frozen=True)
class Model:
    """A trained model of any kind, ready to predict."""

    trained: TrainedNetwork
    family: ModelFamily[Any]

    @property
    def name(self) -> str:
        """What its predictions say of where they come from."""
        return self.trained.name

    def predict(
        self, slices: SliceSet, advance: Advance = no_progress, view: ViewSettings | None = None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice; see `ModelFamily.predict`."""
        return self.family.predict(self.trained, slices, advance, view)
