"""Mask R-CNN as a kind of model."""

from collections.abc import Iterator
from pathlib import Path

from fewshot.config.tree import DetectorSettings, ViewSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.prediction import load_detector, predict_slices
from fewshot.detector.training import DetectorTask
from fewshot.detector.weights import initial_weights, load_initial_weights
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.models.interface import ModelFamily
from fewshot.progress import Advance
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import TrainedNetwork


class MaskRcnnFamily:
    """Detectron2's Mask R-CNN; see `ModelFamily` for what each method does."""

    def resolve(self, settings: DetectorSettings) -> DetectorSettings:
        """Return settings with the weights resolved to a file on this machine."""
        build_config(settings)
        weights = initial_weights(settings)
        found = "none" if weights is None else str(weights)
        return settings.model_copy(update={"weights": found})

    def check(self, settings: DetectorSettings) -> None:
        """Refuse options that no network can be built with, and weights that do not fit."""
        network = build_network(build_config(settings))
        weights = settings.weights_file
        if weights is not None:
            load_initial_weights(network, weights)

    def task(self, job: TrainingJob) -> DetectorTask:
        """Return the training of a detector."""
        return DetectorTask(job)

    def load(self, folder: Path, device: str) -> TrainedNetwork:
        """Return the detector in a folder."""
        return load_detector(folder, device)

    def predict(
        self, model: TrainedNetwork, slices: SliceSet, advance: Advance, view: ViewSettings | None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice; see `detector.prediction.predict_slices`."""
        return predict_slices(model, slices, advance, view)


FAMILY: ModelFamily[DetectorSettings] = MaskRcnnFamily()
