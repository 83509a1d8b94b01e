"""Semantic networks as a kind of model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import ViewSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.models.interface import Kind, Model, ModelJob
from fewshot.progress import Advance, no_progress
from fewshot.semantic.job import SemanticJob
from fewshot.semantic.model import SemanticModel, describe_model, load_model
from fewshot.semantic.prediction import predict_slices
from fewshot.semantic.training import train_semantic
from fewshot.semantic.weights import encoder_file, start_network
from fewshot.training.devices import resolve_device


@dataclass(frozen=True)
class Semantic:
    """A trained semantic network."""

    model: SemanticModel

    @property
    def name(self) -> str:
        """What its predictions say of where they come from."""
        return self.model.name

    def predict(
        self, slices: SliceSet, advance: Advance = no_progress, view: ViewSettings | None = None
    ) -> Iterator[SliceMasks]:
        """Yield the regions of each slice; see `semantic.prediction.predict_slices`."""
        return predict_slices(self.model, slices, advance, view)


class SemanticKind:
    """Networks of segmentation-models-pytorch; see `Kind` for what each method does."""

    renews = False

    def resolve(self, settings: SemanticSettings) -> SemanticSettings:
        """Return settings with device and encoder weights as they are on this machine."""
        weights = "none" if settings.weights == "none" else str(encoder_file(settings))
        found = {"device": resolve_device(settings.device), "weights": weights}
        return settings.model_copy(update=found)

    def check(self, settings: SemanticSettings) -> None:
        """Refuse an encoder that cannot be used, and weights that do not fit it."""
        start_network(settings)

    def train(self, job: ModelJob, out: Path, advance: Advance, replace: bool) -> AveragePrecision:
        """Train a network; see `semantic.training.train_semantic`."""
        settings = job.settings
        assert isinstance(settings, SemanticSettings)
        if job.renewal is not None:
            raise InputError(f"{job.name}: a semantic network cannot renew soft labels")
        own = SemanticJob(
            name=job.name,
            sources=job.sources,
            validation=job.validation,
            settings=settings,
            schedule=job.schedule,
            seed=job.seed,
            weights=job.weights,
            unlabelled=job.unlabelled,
            preprocess=job.preprocess,
        )
        return train_semantic(own, out, advance, replace)

    def describe(self, folder: Path) -> dict[str, Any]:
        """Return a network's description."""
        return describe_model(folder)

    def load(self, folder: Path, device: str) -> Model:
        """Return the network in a folder."""
        return Semantic(load_model(folder, device))


KIND: Kind = SemanticKind()
