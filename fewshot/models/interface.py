"""The interface of models, and of kinds of models."""

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
    """A kind of model: everything that depends on the kind of network.

    It is found by the `kind` of the settings (see `models.registry`).
    """

    def resolve(self, settings: Given) -> Given:
        """Return settings with initial weights resolved to a file on this machine.

        Raises `InputError` if they are unknown or unavailable.
        """

    def check(self, settings: Given) -> None:
        """Raise `InputError` unless a network can be built and its initial weights fit."""

    def task(self, job: TrainingJob) -> "TrainingTask[Any, Given]":
        """Return the training task of a job of this kind."""

    def load(self, folder: Path, device: str) -> TrainedNetwork:
        """Return the network in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""

    def predict(
        self, model: TrainedNetwork, slices: SliceSet, advance: Advance, view: ViewSettings | None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice, in the slices' order, best score first.

        Masks are in the slice's own pixels, for every view.
        """


@dataclass(frozen=True)
class Model:
    """A trained model of any kind, ready to predict."""

    trained: TrainedNetwork
    family: ModelFamily[Any]

    @property
    def name(self) -> str:
        """The source of its predictions."""
        return self.trained.name

    def predict(
        self, slices: SliceSet, advance: Advance = no_progress, view: ViewSettings | None = None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice; see `ModelFamily.predict`."""
        return self.family.predict(self.trained, slices, advance, view)
