"""Mask R-CNN as a training task (see `training.loop`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from detectron2.utils.events import EventStorage
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import TINY, build_config, build_network
from fewshot.detector.data import Sample, TrainingSamples
from fewshot.detector.prediction import predict_slices
from fewshot.detector.weights import initial_weights, load_initial_weights
from fewshot.metrics.average_precision import average_precision
from fewshot.training.model_folder import TrainedNetwork
from fewshot.training.state import TrainingState, make_optimizer, one_cycle
from fewshot.training.task import Evaluation, Step, TrainingTask


class DetectorTask(TrainingTask[Sample, DetectorSettings]):
    """A Mask R-CNN of Detectron2, evaluated by its average precision."""

    def start_files(self) -> Sequence[Path]:
        """Return the file of initial weights, if any."""
        build_config(self.settings)  # tells of an unknown architecture before its weights
        start = self.job.weights or initial_weights(self.settings)
        return [] if start is None else [start]

    def build(self) -> nn.Module:
        """Return the network before the first iteration."""
        settings = self.settings
        network = build_network(build_config(settings, self.job.device), settings.experimental.gafl)
        for path in self.start_files():
            load_initial_weights(network, path)
        return network.train()

    def optimizer(self, network: nn.Module) -> tuple[Optimizer, LRScheduler]:
        """Return the optimizer of all weights, and a one-cycle schedule."""
        settings, schedule = self.settings, self.job.schedule
        optimizer = make_optimizer(
            network.parameters(),
            _optimizer_kind(settings),
            schedule.learning_rate,
            settings.weight_decay,
        )
        return optimizer, one_cycle(optimizer, schedule.learning_rate, schedule.iterations)

    def samples(self) -> TrainingSamples:
        """Return the endless sequence of augmented slices."""
        job = self.job
        return TrainingSamples(
            job.sources, job.augmentation, job.seed, self.settings.input_size, job.preprocess
        )

    def names(self, samples: Sequence[Sample]) -> list[str]:
        """Return the samples' files."""
        return [sample["file_name"] for sample in samples]

    def losses(self, state: TrainingState, samples: list[Sample], iteration: int) -> Step:
        """Return Detectron2's losses and its other training statistics."""
        with EventStorage(iteration) as storage:
            losses = state.network(samples)
        return Step(losses, {name: value for name, (value, _) in storage.latest().items()})

    def evaluate(self, network: nn.Module) -> Evaluation:
        """Return the average precision on the validation slices, and the predicted masks."""
        job = self.job
        detector = TrainedNetwork(network, self.settings, job.name, job.preprocess)
        truth = [job.validation.masks_of(record.image_id) for record in job.validation.records]
        found = {masks.image_id: masks for masks in predict_slices(detector, job.validation)}
        return Evaluation(vars(average_precision(truth, found)), found)


def _optimizer_kind(settings: DetectorSettings) -> Literal["adamw", "sgd"]:
    if settings.optimizer == "auto":
        return "adamw" if settings.architecture == TINY else "sgd"
    return settings.optimizer
