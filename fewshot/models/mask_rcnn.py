"""Mask R-CNN as a kind of model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.config.tree import DetectorSettings, ViewSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.model import Detector, describe_detector, load_detector
from fewshot.detector.prediction import predict_slices
from fewshot.detector.training import TrainingJob, train_detector
from fewshot.detector.weights import initial_weights, load_initial_weights
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.models.interface import Kind, Model, ModelJob
from fewshot.progress import Advance, no_progress
from fewshot.training.devices import resolve_device


@dataclass(frozen=True)
class MaskRcnn:
    """A trained Mask R-CNN."""

    detector: Detector

    @property
    def name(self) -> str:
        """What its predictions say of where they come from."""
        return self.detector.name

    def predict(
        self, slices: SliceSet, advance: Advance = no_progress, view: ViewSettings | None = None
    ) -> Iterator[SliceMasks]:
        """Yield the masks of each slice; see `detector.prediction.predict_slices`."""
        return predict_slices(self.detector, slices, advance, view)


class MaskRcnnKind:
    """Detectron2's Mask R-CNN; see `Kind` for what each method does."""

    renews = True

    def resolve(self, settings: DetectorSettings) -> DetectorSettings:
        """Return settings with device and weights as they are on this machine."""
        build_config(settings)
        weights = initial_weights(settings)
        found = {
            "device": resolve_device(settings.device),
            "weights": "none" if weights is None else str(weights),
        }
        return settings.model_copy(update=found)

    def check(self, settings: DetectorSettings) -> None:
        """Refuse options that no network can be built with, and weights that fit none of it."""
        network = build_network(build_config(settings.model_copy(update={"device": "cpu"})))
        weights = settings.weights_file
        if weights is not None:
            load_initial_weights(network, weights)

    def train(self, job: ModelJob, out: Path, advance: Advance, replace: bool) -> AveragePrecision:
        """Train a detector; see `detector.training.train_detector`."""
        settings = job.settings
        assert isinstance(settings, DetectorSettings)
        own = TrainingJob(
            name=job.name,
            sources=job.sources,
            validation=job.validation,
            detector=settings,
            augmentation=job.augmentation,
            schedule=job.schedule,
            seed=job.seed,
            weights=job.weights,
            renewal=job.renewal,
            preprocess=job.preprocess,
            watch=job.watch,
        )
        return train_detector(own, out, advance, replace)

    def describe(self, folder: Path) -> dict[str, Any]:
        """Return a detector's description."""
        return describe_detector(folder)

    def load(self, folder: Path, device: str) -> Model:
        """Return the detector in a folder."""
        return MaskRcnn(load_detector(folder, device))


KIND: Kind = MaskRcnnKind()
