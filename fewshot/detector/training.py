"""Training one Mask R-CNN with Detectron2's trainer and hooks, resumable at any checkpoint."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.engine import HookBase, SimpleTrainer, hooks
from detectron2.utils.events import get_event_storage
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.detector.architecture import TINY, build_config, build_network
from fewshot.detector.average import running_mean
from fewshot.detector.curves import CurveWriter
from fewshot.detector.data import Sample, TrainingSamples, TrainingSource, training_batches
from fewshot.detector.model import Detector, save_detector
from fewshot.detector.prediction import predict_slices
from fewshot.detector.teacher import Renewal, Teacher
from fewshot.detector.weights import initial_weights, load_initial_weights
from fewshot.errors import FewshotError
from fewshot.files import sha256_file
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision, average_precision
from fewshot.metrics.rand import score_slice
from fewshot.progress import Advance, no_progress
from fewshot.torch_tools.checkpoints import load_checkpoint, save_checkpoint
from fewshot.torch_tools.device import flushed_denormals, resolve_device
from fewshot.torch_tools.precision import Precision

CHECKPOINT = "checkpoint.pth"
CURVES = "training.jsonl"


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides what a training yields.

    Attributes:
        name: the model's name; becomes the source of its predictions.
        sources: the slices to train on.
        validation: labelled slices that are only looked at; average precision is taken on them.
        detector, augmentation, schedule: settings.
        seed: of the weights' start, the order of samples and their augmentation.
        weights: file to start from, in place of what the detector settings say.
        renewal: how the soft labels of sources marked `renewed` are renewed; needs a running mean.
        preprocess: what is done to every slice first, here and wherever the model predicts.
    """

    name: str
    sources: Sequence[TrainingSource]
    validation: SliceSet
    detector: DetectorSettings
    augmentation: AugmentationSettings
    schedule: TrainingSettings
    seed: int
    weights: Path | None = None
    renewal: Renewal | None = None
    preprocess: PreprocessSettings = AS_READ


def train_detector(job: TrainingJob, out: Path, advance: Advance = no_progress) -> AveragePrecision:
    """Train a Mask R-CNN and leave it in the folder `out`; return its validation AP.

    Writes the model (see `detector.model`), the learning curves (`training.jsonl`, one line an
    iteration) and, while training, `checkpoint.pth`, from which the same job continues exactly: on
    the CPU the loss curve is the one of an uninterrupted training to the last bit.

    Args:
        job: what to train.
        out: folder to write to.
        advance: called with the number of iterations done and a few words, for progress.

    Raises:
        InputError: the architecture, options or weights cannot be used.
        FewshotError: a loss became infinite or NaN.
    """
    torch.manual_seed(job.seed)
    config = build_config(job.detector)
    network = build_network(config)
    training = _Training(job, network, out)
    training.start()
    with flushed_denormals():
        training.run(advance)
    detector = Detector(training.result.eval(), job.detector, job.name, job.preprocess)
    precision = training.last_evaluation
    save_detector(detector, out, iterations=job.schedule.iterations, average_precision=precision)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return precision


class _Training:
    """The state of one training: network, optimiser, schedule, and where it stands."""

    def __init__(self, job: TrainingJob, network: nn.Module, out: Path) -> None:
        self.job = job
        self.network = network
        self.checkpoint = out / CHECKPOINT
        self.curves = out / CURVES
        self.precision = Precision(
            job.detector.mixed_precision, resolve_device(job.detector.device)
        )
        self.optimizer = _optimizer(network, job)
        self.schedule = OneCycleLR(
            self.optimizer,
            max_lr=job.schedule.learning_rate,
            total_steps=job.schedule.iterations + 1,
            cycle_momentum=False,
        )
        self.average = running_mean(network, job.detector.ema) if job.detector.ema else None
        self.teacher = None if job.renewal is None else Teacher(job.renewal, lambda: self.result)
        self.start_iteration = 0
        self.last_evaluation = AveragePrecision(0.0, 0.0, 0.0)

    @property
    def result(self) -> nn.Module:
        """The network that is evaluated and kept: the running mean where there is one."""
        return self.network if self.average is None else self.average.module

    def start(self) -> None:
        """Continue from the checkpoint of the same job if there is one, else from the weights."""
        if self.checkpoint.is_file():
            content = load_checkpoint(self.checkpoint)
            if content.get("job") == _job_key(self.job):
                self._restore(content)
                return
        weights = self.job.weights or initial_weights(self.job.detector)
        if weights is not None:
            load_initial_weights(self.network, weights)

    def run(self, advance: Advance) -> None:
        """Train to the last iteration."""
        settings, iterations = self.job.detector, self.job.schedule.iterations
        samples = TrainingSamples(
            self.job.sources,
            self.job.augmentation,
            self.job.seed,
            settings.input_size,
            self.job.preprocess,
        )
        batches = training_batches(
            samples, settings.batch_size, self.start_iteration, iterations, settings.workers
        )
        trainer = _SliceTrainer(self, batches)
        curves = CurveWriter(self.curves, self.start_iteration)
        trainer.register_hooks(
            [
                hooks.LRScheduler(self.optimizer, self.schedule),
                _AfterStep(self._update_average),
                hooks.EvalHook(settings.evaluation_period, self._evaluate),
                hooks.PeriodicWriter([curves], period=1),
                _AfterStep(lambda done: advance(done, trainer.summary)),
                _AfterStep(self._save, settings.checkpoint_period),
            ]
        )
        trainer.train(self.start_iteration, iterations)

    def _update_average(self, _done: int) -> None:
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _evaluate(self) -> dict[str, float]:
        validation = self.job.validation
        job = self.job
        detector = Detector(self.result.eval(), job.detector, job.name, job.preprocess)
        truth = [validation.masks_of(record.image_id) for record in validation.records]
        predictions = {masks.image_id: masks for masks in predict_slices(detector, validation)}
        self.last_evaluation = average_precision(truth, predictions)
        self.network.train()
        scores = {f"validation/{key}": value for key, value in vars(self.last_evaluation).items()}
        if self.teacher is not None:
            scores["validation/ari"] = _rand_index(truth, predictions)
            self.teacher.judge(scores["validation/ari"], get_event_storage().iter + 1)
        return scores

    def _save(self, done: int) -> None:
        if done == self.job.schedule.iterations:
            return
        content = {
            "job": _job_key(self.job),
            "iteration": done,
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.last_epoch,
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "random_state": torch.get_rng_state(),
            "cuda_random_state": list(torch.cuda.get_rng_state_all()),
        }
        save_checkpoint(self.checkpoint, content)

    def _restore(self, content: dict[str, Any]) -> None:
        self.network.load_state_dict(content["network"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        if self.teacher is not None:
            self.teacher.load_state_dict(content["teacher"])
        self.optimizer.load_state_dict(content["optimizer"])
        # The optimiser's state holds the current rate; the next ones follow from the position.
        self.schedule.last_epoch = content["schedule"]
        self.precision.scaler.load_state_dict(content["scaler"])
        torch.set_rng_state(content["random_state"])
        if content["cuda_random_state"]:
            torch.cuda.set_rng_state_all(content["cuda_random_state"])
        self.start_iteration = content["iteration"]


class _SliceTrainer(SimpleTrainer):  # type: ignore[misc]
    """Detectron2's trainer with autocast and a bound on the gradient's norm."""

    def __init__(self, training: _Training, batches: Any) -> None:
        super().__init__(training.network, batches, training.optimizer)
        self._precision = training.precision
        self._teacher = training.teacher
        self._largest_norm = training.job.detector.clip_gradient_norm
        self.summary = ""

    def run_step(self) -> None:
        """Do one iteration; `FewshotError` when a loss is infinite or NaN."""
        batch: list[Sample] = next(self._data_loader_iter)
        if self._teacher is not None:
            batch = self._teacher.relabel(batch, self.iter)
        with self._precision.autocast():
            losses = self.model(batch)
            total = sum(losses.values())
        self._record(losses, batch)
        scaler = self._precision.scaler
        self.optimizer.zero_grad()
        scaler.scale(total).backward()
        scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), self._largest_norm)
        scaler.step(self.optimizer)
        scaler.update()

    def _record(self, losses: dict[str, torch.Tensor], batch: list[Sample]) -> None:
        try:
            self._write_metrics(losses, 0.0)
        except FloatingPointError as error:
            values = ", ".join(
                f"{name} {float(value.detach()):.3g}" for name, value in losses.items()
            )
            names = ", ".join(sample["file_name"] for sample in batch)
            raise FewshotError(
                f"iteration {self.iter}: a loss became infinite or NaN ({values}) on the slices "
                f"{names}; lower the learning rate, or look at these slices and their labels"
            ) from error
        self.summary = f"loss {sum(float(value.detach()) for value in losses.values()):.2f}"


class _AfterStep(HookBase):  # type: ignore[misc]
    """Calls a function with the number of iterations done, every `period` iterations."""

    def __init__(self, action: Callable[[int], None], period: int = 1) -> None:
        self._action = action
        self._period = period

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if done % self._period == 0:
            self._action(done)


def _rand_index(truth: Sequence[SliceMasks], predictions: Mapping[int, SliceMasks]) -> float:
    """Return the mean adjusted Rand index over all pixels, with a fixed rule for merging."""
    labels, answer = MergeRule(score_threshold=0.0), MergeRule(score_threshold=0.5)
    scores = [
        score_slice(merge_masks(one, labels), merge_masks(predictions[one.image_id], answer))
        for one in truth
    ]
    return float(np.mean([score.all_pixels for score in scores])) if scores else 0.0


def _optimizer(network: nn.Module, job: TrainingJob) -> torch.optim.Optimizer:
    parameters = [value for value in network.parameters() if value.requires_grad]
    settings, rate = job.detector, job.schedule.learning_rate
    kind = settings.optimizer
    if kind == "auto":
        kind = "adamw" if settings.architecture == TINY else "sgd"
    if kind == "adamw":
        return torch.optim.AdamW(parameters, rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=settings.weight_decay)


def _job_key(job: TrainingJob) -> str:
    """A digest of all that decides the course of a training."""
    parts: list[Any] = [
        job.name,
        job.seed,
        job.schedule.model_dump(include={"learning_rate", "iterations"}),
    ]
    parts += [
        job.detector.model_dump(exclude={"workers", "evaluation_period", "checkpoint_period"})
    ]
    parts += [job.augmentation.model_dump(), job.preprocess.model_dump(mode="json")]
    for source in job.sources:
        parts += [source.share, source.weighed, source.renewed, _content(source.slices)]
        parts += [] if source.uncertain is None else [_content(source.uncertain)]
    parts += [_content(job.validation), None if job.weights is None else sha256_file(job.weights)]
    if job.renewal is not None:
        renewal = job.renewal
        parts += [renewal.settings.model_dump(), renewal.most_masks]
        parts += [job.detector.evaluation_period]  # the teacher stops at an evaluation
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _content(slices: SliceSet) -> list[Any]:
    masks = [slices.masks_of(record.image_id) for record in slices.records]
    return [
        [vars(record) for record in slices.records],
        [[one.rles, one.scores.tolist()] for one in masks],
    ]
