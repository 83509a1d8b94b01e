"""Training one Mask R-CNN with Detectron2's trainer and hooks, resumable at any checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from detectron2.engine import HookBase, hooks
from detectron2.utils.events import get_event_storage

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import TINY, build_config, build_network
from fewshot.detector.curves import CurveWriter
from fewshot.detector.data import TrainingSamples, training_batches
from fewshot.detector.job import TrainingJob as TrainingJob
from fewshot.detector.job import job_key
from fewshot.detector.model import DESCRIPTION, WEIGHTS, Detector, describe_detector, save_detector
from fewshot.detector.prediction import predict_slices
from fewshot.detector.step import Course, NotFiniteError, SliceTrainer, check_finite
from fewshot.detector.teacher import Teacher
from fewshot.detector.watch import NO_WATCHERS, Watchers, open_watchers
from fewshot.detector.weights import load_initial_weights
from fewshot.errors import InputError
from fewshot.files import sha256_file
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision, average_precision
from fewshot.metrics.rand import score_slice
from fewshot.progress import Advance, no_progress, say, warn
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.devices import flushed_denormals, resolve_device
from fewshot.training.ema import running_mean
from fewshot.training.precision import Precision
from fewshot.training.state import TrainingState, make_optimizer, one_cycle

CHECKPOINT = "checkpoint.pth"
CURVES = "training.jsonl"


def train_detector(
    job: TrainingJob, out: Path, advance: Advance = no_progress, replace: bool = True
) -> AveragePrecision:
    """Train a Mask R-CNN and leave it in the folder `out`; return its validation AP.

    Writes the model (see `detector.model`), the learning curves (`training.jsonl`, one line an
    iteration) and, while training, `checkpoint.pth`, from which the same job continues exactly: on
    the CPU the loss curve is the one of an uninterrupted training to the last bit. A folder that
    already holds the whole model of the same job is left as it is.

    Args:
        job: what to train.
        out: folder to write to.
        advance: called with the number of iterations done and a few words, for progress.
        replace: whether another job's model in the folder gives way.

    Raises:
        InputError: the architecture, options or weights cannot be used, or the folder holds another
            job's model that is to stay.
        NotFiniteError: a loss, gradient or weight became infinite or NaN, more often than
            `detector.recovery` allows; no model is left.
        FewshotError: memory or disk do not suffice.
    """
    build_config(job.detector)  # an unknown architecture is told before its weights are looked for
    key = job_key(job)
    finished = _finished(out, key)
    if finished is not None:
        say(f"{job.name}: is trained already, from the same settings and slices; kept")
        (out / CHECKPOINT).unlink(missing_ok=True)
        return finished
    if not replace and (out / DESCRIPTION).exists():
        raise InputError(
            f"{out}: holds a trained model already, of other settings or slices; give another "
            "folder"
        )
    with flushed_denormals():
        training = _trained(job, key, out, advance)
    detector = Detector(training.state.result.eval(), job.detector, job.name, job.preprocess)
    precision = training.last_evaluation
    save_detector(
        detector,
        out,
        iterations=job.schedule.iterations,
        average_precision=precision,
        training={"job": key, "curves": sha256_file(out / CURVES), **vars(training.course)},
    )
    (out / CHECKPOINT).unlink(missing_ok=True)
    return precision


def _finished(out: Path, key: str) -> AveragePrecision | None:
    """Return the average precision of the model in a folder if it is this job's, and whole."""
    if not (out / DESCRIPTION).is_file():
        return None
    try:
        description = describe_detector(out)
        training = description.get("training", {})
        whole = (
            training["job"] == key
            and training["weights"] == sha256_file(out / WEIGHTS)
            and training["curves"] == sha256_file(out / CURVES)
        )
        return AveragePrecision(**description["average_precision"]) if whole else None
    except (InputError, OSError, KeyError, TypeError):
        return None


def _trained(job: TrainingJob, key: str, out: Path, advance: Advance) -> "_Training":
    """Return a training that came to its end, perhaps after some that did not."""
    course, failure = Course(), ""
    while True:
        training = _Training(job, key, out)
        training.start()
        if failure:
            training.retry(course, failure)
        try:
            training.run(advance)
            return training
        except NotFiniteError as error:
            if training.course.lowered >= job.detector.recovery.retries:
                raise
            course, failure = training.course, str(error)
        del training  # before the next network is made


class _Training:
    """The state of one training: network, optimiser, schedule, and where it stands."""

    def __init__(self, job: TrainingJob, key: str, out: Path) -> None:
        torch.manual_seed(job.seed)
        self.job = job
        self.key = key
        settings = job.detector
        network = build_network(build_config(settings), settings.gafl)
        self.checkpoint = out / CHECKPOINT
        self.curves_path = out / CURVES
        self.curves: CurveWriter | None = None
        rate = job.schedule.learning_rate
        optimizer = make_optimizer(
            network.parameters(), _optimizer_kind(settings), rate, settings.weight_decay
        )
        self.state = TrainingState(
            network,
            optimizer,
            one_cycle(optimizer, rate, job.schedule.iterations),
            Precision(settings.mixed_precision, resolve_device(settings.device)),
            running_mean(network, settings.ema) if settings.ema else None,
        )
        self.teacher = (
            None if job.renewal is None else Teacher(job.renewal, lambda: self.state.result)
        )
        self.watchers: Watchers = NO_WATCHERS
        self.start_iteration = 0
        self.course = Course()
        self.last_evaluation = AveragePrecision(0.0, 0.0, 0.0)

    def start(self) -> None:
        """Continue from the checkpoint of the same job if there is one, else from the weights."""
        if self.checkpoint.is_file():
            content = load_checkpoint(self.checkpoint)
            if content.get("job") == self.key:
                self._restore(content)
                return
            warn(
                f"{self.checkpoint}: is of other settings, slices or another fewshot; "
                f"{self.job.name} is trained from the start"
            )
        weights = self.job.start
        if weights is not None:
            load_initial_weights(self.state.network, weights)

    def retry(self, course: Course, failure: str) -> None:
        """Take over what an attempt that failed knew about itself, and go slower than it."""
        factor = self.job.detector.recovery.rate_factor
        # The checkpoint may be older than rates that were lowered after it.
        slower = factor ** (course.lowered + 1 - self.course.lowered)
        for group in self.state.optimizer.param_groups:
            for rate in ("lr", "initial_lr", "max_lr", "min_lr"):
                group[rate] *= slower
        course.lowered += 1
        course.note(
            self.start_iteration,
            f"gone back to here, with the learning rate times {factor:g}, after this: {failure}",
        )
        self.course = course

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
        trainer = SliceTrainer(
            self.state.network,
            batches,
            self.state.optimizer,
            self.state.precision,
            settings.clip_gradient_norm,
            self.course,
            None if self.teacher is None else self.teacher.relabel,
        )
        self.curves = curves = CurveWriter(self.curves_path, self.start_iteration)
        self.watchers = open_watchers(self.job.watch, self.start_iteration)
        trainer.register_hooks(
            [
                hooks.LRScheduler(self.state.optimizer, self.state.schedule),
                _AfterStep(self._update_average),
                hooks.EvalHook(settings.evaluation_period, self._evaluate),
                hooks.PeriodicWriter([curves, self.watchers], period=1),
                _AfterStep(lambda done: advance(done, trainer.summary)),
                _AfterStep(self._save, settings.checkpoint_period),
            ]
        )
        trainer.train(self.start_iteration, iterations)
        check_finite(self.state.result, iterations)

    def _update_average(self, _done: int) -> None:
        if self.state.average is not None:
            self.state.average.update_parameters(self.state.network)

    def _evaluate(self) -> dict[str, float]:
        validation = self.job.validation
        job = self.job
        detector = Detector(self.state.result.eval(), job.detector, job.name, job.preprocess)
        truth = [validation.masks_of(record.image_id) for record in validation.records]
        predictions = {masks.image_id: masks for masks in predict_slices(detector, validation)}
        self.last_evaluation = average_precision(truth, predictions)
        self.state.network.train()
        self.watchers.look(validation, predictions, get_event_storage().iter)
        scores = {f"validation/{key}": value for key, value in vars(self.last_evaluation).items()}
        if self.teacher is not None:
            scores["validation/ari"] = _rand_index(truth, predictions)
            self.teacher.judge(scores["validation/ari"], get_event_storage().iter + 1)
        return scores

    def _save(self, done: int) -> None:
        if done == self.job.schedule.iterations or self.curves is None:
            return
        check_finite(self.state.network, done)
        self.curves.sync()
        content = {
            "job": self.key,
            "iteration": done,
            "course": vars(self.course),
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            **self.state.content(),
        }
        save_checkpoint(self.checkpoint, content)

    def _restore(self, content: dict[str, Any]) -> None:
        self.state.restore(content)
        if self.teacher is not None:
            self.teacher.load_state_dict(content["teacher"])
        self.start_iteration = content["iteration"]
        self.course = Course(**content["course"])


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


def _optimizer_kind(settings: DetectorSettings) -> Literal["adamw", "sgd"]:
    if settings.optimizer == "auto":
        return "adamw" if settings.architecture == TINY else "sgd"
    return settings.optimizer
