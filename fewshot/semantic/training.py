"""Semantic networks as a training task (see `training.loop`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fewshot.config.semantic import SemanticSettings
from fewshot.errors import InputError
from fewshot.semantic.consistency import Consistency
from fewshot.semantic.data import Batch, SemanticSamples, collate
from fewshot.semantic.epoch_metrics import EpochMetrics, count_foreground
from fewshot.semantic.evaluation import evaluate
from fewshot.semantic.losses import LOSSES
from fewshot.semantic.networks import SemanticNetwork
from fewshot.semantic.sharpening import train_featup
from fewshot.semantic.weights import encoder_file, start_network
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.devices import resolve_device
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import TrainedNetwork
from fewshot.training.schema import fill
from fewshot.training.state import TrainingState, make_optimizer, one_cycle
from fewshot.training.task import Evaluation, Step, TrainingTask

Pair = tuple[Batch, Batch | None]
"""A labelled sample, and one without labels where the network learns from such by now."""


class SemanticTask(TrainingTask[Pair, SemanticSettings]):
    """A network of segmentation-models-pytorch, evaluated by its regions and their foreground."""

    def __init__(self, job: TrainingJob) -> None:
        """Raises `InputError` if unlabelled slices are needed and there are none."""
        super().__init__(job)
        self._consistency: Consistency | None = None
        if self.settings.learns_unlabelled:
            if not job.unlabelled:
                raise InputError(
                    f"{job.name}: consistency needs unlabelled slices, and there are none; set "
                    "its weight to 0"
                )
            self._consistency = Consistency(
                job.unlabelled,
                self.settings,
                job.augmentation,
                job.seed,
                job.schedule.iterations,
                job.preprocess,
            )
        self._metrics = EpochMetrics(sum(len(source.slices) for source in job.sources))

    def start_files(self) -> Sequence[Path]:
        """Return the files of initial weights of encoder and model, if any."""
        settings, weights = self.settings, self.job.weights
        encoder = [] if settings.weights == "none" else [encoder_file(settings)]
        return encoder if weights is None else [*encoder, weights]

    def build(self) -> nn.Module:
        """Return the network before the first iteration.

        Raises `InputError` when the encoder, its weights or the job's cannot be used.
        """
        job = self.job
        self._metrics.reset()
        network = start_network(self.settings)
        if job.weights is not None:
            content = load_checkpoint(job.weights)
            way_out = "start from a model of the same settings"
            fill(network, content.get("model", content), job.weights, way_out)
        device = resolve_device(self.job.device)
        return network.to(device).to(memory_format=torch.channels_last).train()

    def optimizer(self, network: nn.Module) -> tuple[Optimizer, LRScheduler]:
        """Return the optimizer of all weights except the upsampler's, and a one-cycle schedule."""
        settings, schedule = self.settings, self.job.schedule
        optimizer = make_optimizer(
            # The upsampler is trained afterwards, on the finished network.
            [value for name, value in network.named_parameters() if "upsampler" not in name],
            settings.optimizer,
            schedule.learning_rate,
            settings.weight_decay,
        )
        return optimizer, one_cycle(optimizer, schedule.learning_rate, schedule.iterations)

    def samples(self) -> "_Pairs":
        """Return the endless sequence of augmented slices."""
        return _Pairs(self._labelled(), self._consistency)

    def names(self, samples: Sequence[Pair]) -> list[str]:
        """Return the samples' files."""
        return [name for pair in samples for one in pair if one is not None for name in one.names]

    def losses(self, state: TrainingState, samples: list[Pair], iteration: int) -> Step:
        """Return the losses on the labelled slices, and on unlabelled ones if any."""
        batch, count = self._batch([labelled for labelled, _ in samples]), len(samples)
        unlabelled = [one for _, one in samples if one is not None]
        if unlabelled and self._consistency is not None:
            task = self._consistency.task(state.result, self._batch(unlabelled), iteration)
            batch = collate([batch, task])
        every = state.network(batch.slices.contiguous(memory_format=torch.channels_last))
        logits, targets, weights = every[:count], batch.targets[:count], batch.weights[:count]
        losses = LOSSES[self.settings.loss]
        parts = {name: loss(logits, targets, weights) for name, loss in losses.items()}
        if unlabelled and self._consistency is not None:
            rest = every[count:], batch.targets[count:], batch.weights[count:]
            share = self._consistency.weight_at(iteration)
            total = torch.stack([loss(*rest) for loss in losses.values()]).sum()
            parts["loss_consistency"] = share * total
        counts = count_foreground(logits.detach(), targets, weights)
        return Step(parts, {"iou": counts.iou, **self._metrics.add(counts, count)})

    def evaluate(self, network: nn.Module) -> Evaluation:
        """Return the scores of the network's regions on the validation slices."""
        job = self.job
        trained = TrainedNetwork(network, self.settings, job.name, job.preprocess)
        return evaluate(trained, job.validation)

    def finish(self, network: nn.Module) -> nn.Module:
        """Train the upsampler of the network's features, if any."""
        assert isinstance(network, SemanticNetwork)
        if network.upsampler is not None:
            job = self.job
            train_featup(network, self._labelled(), self.settings, job.seed, job.loop.workers)
        return network.eval()

    def position(self) -> Any:
        """Return the state of the metrics of the epoch."""
        return self._metrics.content()

    def resume(self, position: Any) -> None:
        """Restore the metrics of the epoch."""
        self._metrics.restore(position)

    def _labelled(self) -> SemanticSamples:
        job = self.job
        return SemanticSamples(
            job.sources, self.settings, job.augmentation, job.seed, job.preprocess
        )

    def _batch(self, samples: Sequence[Batch]) -> Batch:
        batch, device = collate(samples), resolve_device(self.job.device)
        slices, targets, weights = (one.to(device) for one in batch[:3])
        return Batch(slices, targets, weights, batch.names)


class _Pairs:
    """Labelled samples, each with an unlabelled one after the burn-in."""

    def __init__(self, labelled: SemanticSamples, consistency: Consistency | None) -> None:
        self._labelled, self._consistency = labelled, consistency

    def __getitem__(self, position: int) -> Pair:
        consistency = self._consistency
        return self._labelled[position], None if consistency is None else consistency.at(position)
