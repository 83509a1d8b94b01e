"""Semantic networks as a kind of model."""

from collections.abc import Iterator
from pathlib import Path

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import ViewSettings
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.models.interface import ModelFamily
from fewshot.progress import Advance
from fewshot.semantic.prediction import load_semantic, predict_slices
from fewshot.semantic.training import SemanticTask
from fewshot.semantic.weights import encoder_file, start_network
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import TrainedNetwork


class SemanticFamily:
    """Networks of segmentation-models-pytorch; see `ModelFamily` for what each method does."""

    def resolve(self, settings: SemanticSettings) -> SemanticSettings:
        """Return settings with the encoder's weights resolved to a file on this machine."""
        weights = "none" if settings.weights == "none" else str(encoder_file(settings))
        return settings.model_copy(update={"weights": weights})

    def check(self, settings: SemanticSettings) -> None:
        """Refuse an encoder that cannot be used, and weights that do not fit it."""
        start_network(settings)

    def task(self, job: TrainingJob) -> SemanticTask:
        """Return the training of a semantic network."""
        return SemanticTask(job)

    def load(self, folder: Path, device: str) -> TrainedNetwork:
        """Return the network in a folder."""
        return load_semantic(folder, device)

    def predict(
        self, model: TrainedNetwork, slices: SliceSet, advance: Advance, view: ViewSettings | None
    ) -> Iterator[SliceMasks]:
        """Yield the regions of each slice; see `semantic.prediction.predict_slices`."""
        return predict_slices(model, slices, advance, view)


FAMILY: ModelFamily[SemanticSettings] = SemanticFamily()
