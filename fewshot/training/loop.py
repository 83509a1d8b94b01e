"""The training loop of every kind of network, resumable from checkpoints with the same result."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic

import torch
from torch import nn

from fewshot.errors import InputError
from fewshot.files import sha256_file, write_json
from fewshot.progress import Advance, no_progress, say, warn
from fewshot.training.batches import batches_of
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.curves import CurveFile
from fewshot.training.devices import flushed_denormals, resolve_device
from fewshot.training.ema import running_mean
from fewshot.training.job import identity
from fewshot.training.loggers import open_loggers
from fewshot.training.model_folder import (
    CHECKPOINT,
    CURVES,
    DESCRIPTION,
    TIME,
    WEIGHTS,
    Description,
    describe_model,
    described,
    is_whole,
    load_weights,
    write_description,
)
from fewshot.training.precision import Precision
from fewshot.training.recovery import NotFiniteError, RecoveryLog, check_weights, not_finite
from fewshot.training.schema import check_alike, restoring
from fewshot.training.state import TrainingState
from fewshot.training.task import Evaluation, Sample, TrainingTask


@dataclass
class Progress:
    """Progress and scores of a training; part of its checkpoints.

    Attributes:
        iteration: number of finished iterations.
        seconds, cpu_seconds: wall and processor time they took.
        before: scores at the start, if the best weights are kept.
        best: the best scores, if the best weights are kept; else the last ones.
        best_iteration: number of iterations after which `best` was reached.
    """

    iteration: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    before: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    best_iteration: int = 0


def train(
    task: TrainingTask[Sample, Any],
    out: Path,
    advance: Advance = no_progress,
    replace: bool = True,
    stop_after: int | None = None,
) -> Progress:
    """Train a network and write it to the folder `out`; return its progress and scores.

    Writes the model (see `training.model_folder`), its learning curves and, during training,
    `checkpoint.pth`, from which the same job resumes exactly: on the CPU, weights and curves are
    bit-identical to those of an uninterrupted training. An existing complete model of the same job
    is kept; if settings that only prediction uses have changed, it is evaluated again.

    Args:
        task: what to train.
        out: folder to write to.
        advance: called with the number of finished iterations and a note, for progress.
        replace: whether to replace another job's model or checkpoint in the folder.
        stop_after: stop after this many iterations and leave the rest to another call.

    Raises:
        InputError: settings, weights or slices cannot be used, or the folder contains another
            job's files and `replace` is False.
        NotFiniteError: losses, gradients or weights became infinite or NaN more often than retries
            are allowed; no model is written.
        FewshotError: out of memory or disk space.
    """
    key = identity(task.job, task.start_files(), type(task).__module__, __name__)
    with flushed_denormals():
        kept = _kept(task, key, out)
    if kept is not None:
        (out / CHECKPOINT).unlink(missing_ok=True)
        return kept
    if not replace and (out / DESCRIPTION).exists():
        raise InputError(
            f"{out}: already contains a model trained with other settings or slices; give another "
            "folder"
        )
    with flushed_denormals():
        training = _trained(task, key, out, advance, replace, stop_after)
    if training.progress.iteration == task.job.schedule.iterations:
        training.save_model()
        (out / CHECKPOINT).unlink(missing_ok=True)
    return training.progress


def _kept(task: TrainingTask[Sample, Any], key: str, out: Path) -> Progress | None:
    """Return the progress of a folder's model, updating its description; None if to be trained."""
    try:
        found = describe_model(out)
    except InputError:
        return None
    if not is_whole(out, found, key):
        return None
    scores = dict(found.validation)
    if dict(found.settings) == described(task.job.settings):
        say(f"{task.job.name}: is already trained with the same settings and slices; kept")
    else:
        say(f"{task.job.name}: is already trained; evaluated again with new prediction settings")
        scores = dict(task.evaluate(load_weights(out, task.build()).eval()).scores)
        write_description(out, _description(task, scores, dict(found.training)))
    before = found.training.get("before", {})
    best = found.training.get("best_iteration", found.iterations)
    return Progress(found.iterations, before=before, best=scores, best_iteration=best)


def _trained(
    task: TrainingTask[Sample, Any],
    key: str,
    out: Path,
    advance: Advance,
    replace: bool,
    stop_after: int | None,
) -> "_Training[Sample]":
    """Return a finished training, perhaps after failed attempts."""
    failed, log, failure = Progress(), RecoveryLog(), ""
    while True:
        training = _Training(task, key, out)
        training.start(replace)
        if failure:
            training.retry(failed, log, failure)
        try:
            training.run(advance, stop_after)
            return training
        except NotFiniteError as error:
            if training.log.lowered >= task.job.loop.nan_retries:
                raise
            failed, log, failure = training.progress, training.log, str(error)
        del training  # before the next network is made


class _Training(Generic[Sample]):
    """One attempt: network, optimizer, schedule and progress."""

    def __init__(self, task: TrainingTask[Sample, Any], key: str, out: Path) -> None:
        torch.manual_seed(task.job.seed)
        self.task, self.key, self.out = task, key, out
        settings = task.job.settings
        network = task.build()
        optimizer, schedule = task.optimizer(network)
        self.state = TrainingState(
            network,
            optimizer,
            schedule,
            Precision(settings.mixed_precision, resolve_device(task.job.device)),
            running_mean(network, settings.ema) if settings.ema else None,
        )
        self.progress, self.log = Progress(), RecoveryLog()
        self.kept: nn.Module | None = None
        self._started = time.monotonic(), time.process_time()

    def start(self, replace: bool) -> None:
        """Resume from the checkpoint of the same job, if there is one."""
        path, name = self.out / CHECKPOINT, self.task.job.name
        if not path.is_file():
            return
        content = load_checkpoint(path)
        if content.get("job") == self.key:
            with restoring(path):
                self._check(content, path)
                self.state.restore(content)
                self.task.resume(content["position"])
                self.progress = Progress(**content["progress"])
                self.log = RecoveryLog(**content["recovery"])
            return
        what = f"{path}: is of other settings, slices or another version of fewshot"
        if not replace:
            raise InputError(f"{what}; give another folder, or delete it")
        warn(f"{what}; the training of {name} starts from the beginning")

    def _check(self, content: dict[str, Any], path: Path) -> None:
        """Raise `InputError` unless a checkpoint's content fits this training."""
        self.state.check(content, path)
        own = {
            "progress": asdict(self.progress),
            "recovery": asdict(self.log),
            "position": self.task.position(),
        }
        check_alike(content, own, path)
        iteration = content["progress"]["iteration"]
        if not 0 <= iteration <= self.task.job.schedule.iterations:
            raise ValueError(f"it is of iteration {iteration}")

    def retry(self, failed: Progress, log: RecoveryLog, failure: str) -> None:
        """Take over the log of a failed attempt, and lower the learning rate."""
        if self.task.kept_score is not None:  # its best weights are on disk
            self.progress.best, self.progress.best_iteration = failed.best, failed.best_iteration
        factor = self.task.job.loop.nan_rate_factor
        # The rate may have been lowered since the checkpoint.
        self.state.slow_down(factor ** (log.lowered + 1 - self.log.lowered))
        log.lowered += 1
        log.note(
            self.progress.iteration,
            f"training restarts here with the learning rate times {factor:g}, because: {failure}",
        )
        self.log = log

    def run(self, advance: Advance, stop_after: int | None) -> None:
        """Train to the last iteration, or stop after `stop_after` iterations."""
        job, progress = self.task.job, self.progress
        last, period = job.schedule.iterations, job.loop.evaluation_period
        stop = last if stop_after is None else min(last, progress.iteration + stop_after)
        batches = batches_of(
            self.task.samples(),
            list,
            job.settings.batch_size,
            progress.iteration,
            stop,
            job.loop.workers,
        )
        curves = CurveFile(self.out / CURVES, progress.iteration)
        with closing(open_loggers(job, progress.iteration)) as loggers:
            if progress.iteration == 0 and self.task.kept_score is not None:
                progress.before = dict(self._evaluate().scores)
            for batch in batches:
                line = self._step(batch)
                progress.iteration = done = progress.iteration + 1
                if done == last or (period and done % period == 0):
                    evaluation = self._evaluate()
                    line |= {f"validation/{name}": one for name, one in evaluation.scores.items()}
                    loggers.pictures(job.validation, evaluation.predictions, done)
                curves.append(line)
                loggers.scalars(done, line)
                advance(done, self._note(line))
                if done == stop or done % job.loop.checkpoint_period == 0:
                    curves.sync()
                    if done < last:
                        self._save_checkpoint()

    def save_model(self) -> None:
        """Write the model's folder, the description last."""
        task, progress, log = self.task, self.progress, self.log
        if self.kept is not None:
            save_checkpoint(self.out / WEIGHTS, task.weights(self.kept))
        training = {
            "job": self.key,
            "weights": sha256_file(self.out / WEIGHTS),
            "curves": sha256_file(self.out / CURVES),
            **asdict(log),
        }
        if progress.before:
            training |= {"before": progress.before, "best_iteration": progress.best_iteration}
        write_json(self.out / TIME, self._elapsed())
        write_description(self.out, _description(task, progress.best, training))

    def _step(self, batch: list[Sample]) -> dict[str, Any]:
        """Run one iteration; return its line of the learning curves."""
        state, iteration = self.state, self.progress.iteration
        rate = state.optimizer.param_groups[0]["lr"]
        losses, scalars = self._gradients(batch)
        total = sum(losses.values())
        if not abs(total) < float("inf"):
            raise not_finite(iteration, "a loss", losses, self.task.names(batch))
        scaler = state.precision.scaler
        scaler.unscale_(state.optimizer)
        norm = nn.utils.clip_grad_norm_(
            state.network.parameters(), self.task.job.loop.clip_gradient_norm
        )
        # The scaler of float16 skips steps with such a gradient by itself.
        if not scaler.is_enabled() and not bool(torch.isfinite(norm)):
            raise not_finite(iteration, "the gradient", losses, self.task.names(batch))
        scaler.step(state.optimizer)
        scaler.update()
        state.schedule.step()
        if state.average is not None:
            state.average.update_parameters(state.network)
        return {"iteration": iteration, **scalars, "total_loss": total, **losses, "lr": rate}

    def _gradients(self, batch: list[Sample]) -> tuple[dict[str, float], dict[str, float]]:
        """Compute the gradients of a batch; return its losses and other scalars.

        After an out-of-memory error, batches are computed in smaller parts.
        """
        while True:
            try:
                return self._accumulate(batch)
            except torch.OutOfMemoryError as error:
                reason = str(error).split(". ")[0]
            except FloatingPointError as error:  # raised by Detectron2 inside the network
                what, names = "a value inside the network", self.task.names(batch)
                raise not_finite(self.progress.iteration, what, {}, names) from error
            self.state.optimizer.zero_grad()
            torch.cuda.empty_cache()
            self.log.halve(self.progress.iteration, len(batch), reason)

    def _accumulate(self, batch: list[Sample]) -> tuple[dict[str, float], dict[str, float]]:
        state = self.state
        state.optimizer.zero_grad()
        losses: dict[str, float] = {}
        scalars: dict[str, float] = {}
        for part in _parts(batch, self.log.part_size or len(batch)):
            with state.precision.autocast():
                step = self.task.losses(state, part, self.progress.iteration)
                total: Any = sum(step.losses.values())
            share = len(part) / len(batch)
            state.precision.scaler.scale(total if share == 1 else total * share).backward()
            for name, value in step.losses.items():
                losses[name] = losses.get(name, 0.0) + float(value.detach()) * share
            scalars |= step.scalars
        return losses, scalars

    def _evaluate(self) -> Evaluation:
        """Evaluate the current network, and keep its weights if they are the best or the last."""
        task, progress, network = self.task, self.progress, self.state.result
        check_weights(network, progress.iteration)
        last = progress.iteration == task.job.schedule.iterations
        network = task.finish(network.eval()) if last else network.eval()
        evaluation = task.evaluate(network)
        scores, score = dict(evaluation.scores), task.kept_score
        if score is None:
            progress.best, progress.best_iteration = scores, progress.iteration
            self.kept = network if last else None
        elif not progress.best or scores[score] > progress.best[score]:
            progress.best, progress.best_iteration = scores, progress.iteration
            save_checkpoint(self.out / WEIGHTS, task.weights(network))
        self.state.network.train()
        return evaluation

    def _save_checkpoint(self) -> None:
        check_weights(self.state.network, self.progress.iteration)
        content = {
            "job": self.key,
            "progress": {**asdict(self.progress), **self._elapsed()},
            "recovery": asdict(self.log),
            "position": self.task.position(),
            **self.state.content(),
        }
        save_checkpoint(self.out / CHECKPOINT, content)

    def _elapsed(self) -> dict[str, float]:
        """Return the time of the training, including earlier processes."""
        now = time.monotonic() - self._started[0], time.process_time() - self._started[1]
        earlier = self.progress
        return {
            "seconds": round(earlier.seconds + now[0], 1),
            "cpu_seconds": round(earlier.cpu_seconds + now[1], 1),
        }

    def _note(self, line: dict[str, Any]) -> str:
        note, score = f"loss {line['total_loss']:.2f}", self.task.kept_score
        return note if score is None else f"{note}, best {score} {self.progress.best[score]:.3f}"


def _description(
    task: TrainingTask[Sample, Any], scores: dict[str, float], training: dict[str, Any]
) -> Description:
    job = task.job
    return Description(
        kind=job.settings.kind,
        name=job.name,
        iterations=job.schedule.iterations,
        validation=scores,
        settings=described(job.settings),
        preprocess=job.preprocess.model_dump(mode="json"),
        training=training | task.facts(),
    )


def _parts(batch: Sequence[Sample], size: int) -> list[list[Sample]]:
    return [list(batch[start : start + size]) for start in range(0, len(batch), size)]
