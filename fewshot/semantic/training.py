"""Training one semantic network, resumable at any checkpoint."""

import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.errors import FewshotError, InputError
from fewshot.files import sha256_file
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.progress import Advance, no_progress, say
from fewshot.semantic.consistency import Consistency
from fewshot.semantic.data import Batch, SemanticSamples, collate, training_batches
from fewshot.semantic.epoch_metrics import EpochMetrics, count_foreground
from fewshot.semantic.evaluation import Evaluation, evaluate
from fewshot.semantic.job import SemanticJob, starting_network
from fewshot.semantic.losses import LOSSES
from fewshot.semantic.model import (
    DESCRIPTION,
    WEIGHTS,
    SemanticModel,
    describe_model,
    save_model,
)
from fewshot.semantic.networks import SemanticNetwork
from fewshot.semantic.sharpening import train_featup
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.curves import CurveFile
from fewshot.training.devices import flushed_denormals, resolve_device
from fewshot.training.ema import running_mean
from fewshot.training.precision import Precision
from fewshot.training.state import TrainingState, make_optimizer, one_cycle

CHECKPOINT = "checkpoint.pth"
CURVES = "training.jsonl"


def train_semantic(
    job: SemanticJob, out: Path, advance: Advance = no_progress, replace: bool = True
) -> AveragePrecision:
    """Train a semantic network and leave it in the folder `out`; return its validation AP.

    Writes the model (see `semantic.model`), the learning curves (`training.jsonl`, one line an
    iteration) and, while training, `checkpoint.pth`, from which the same job continues exactly: on
    the CPU the loss curve is the one of an uninterrupted training to the last bit. A model of the
    same job that is there already is kept.

    Args:
        job: what to train.
        out: folder to write to.
        advance: called with the number of iterations done and a few words, for progress.
        replace: whether another job's model in the folder gives way.

    Raises:
        InputError: the encoder or its weights cannot be used, a source asks for a teacher, slices
            without labels are to be learnt from and there are none, or the folder holds another
            job's model that is to stay.
        FewshotError: a loss became infinite or NaN.
    """
    if any(source.renewed for source in job.sources):
        raise InputError(f"{job.name}: a semantic network cannot renew soft labels; use mask_rcnn")
    if job.settings.learns_unlabelled and not job.unlabelled:
        raise InputError(
            f"{job.name}: consistency needs slices without labels, and there are none; set its "
            "weight to 0"
        )
    finished = _finished(job, out)
    if finished is not None:
        say(f"{job.name}: is trained already, from the same settings and slices; kept")
        (out / CHECKPOINT).unlink(missing_ok=True)
        return finished
    if not replace and (out / DESCRIPTION).exists():
        raise InputError(
            f"{out}: holds a trained model already, of other settings or slices; give another "
            "folder"
        )
    torch.manual_seed(job.seed)
    training = _Training(job, starting_network(job), out)
    training.start()
    with flushed_denormals():
        training.run(advance)
        network = training.finish()
    model = SemanticModel(network, job.settings, job.name, job.preprocess)
    last = evaluate(model, job.validation)
    save_model(
        model,
        out,
        iterations=job.schedule.iterations,
        average_precision=last.precision,
        facts={
            **last.facts(),
            "seconds": training.seconds,
            "cpu_seconds": training.cpu_seconds,
            "job": training.key,
        },
    )
    (out / CHECKPOINT).unlink(missing_ok=True)
    return last.precision


def _finished(job: SemanticJob, out: Path) -> AveragePrecision | None:
    """Return the average precision of the model in a folder if it is this job's, and whole."""
    if not (out / DESCRIPTION).is_file():
        return None
    try:
        description = describe_model(out)
        whole = description["job"] == job.key() and description["weights"] == sha256_file(
            out / WEIGHTS
        )
        return AveragePrecision(**description["average_precision"]) if whole else None
    except (InputError, OSError, KeyError, TypeError):
        return None


class _Training:
    """One training: its state, and where it stands."""

    def __init__(self, job: SemanticJob, network: SemanticNetwork, out: Path) -> None:
        self.job = job
        self.key = job.key()
        self.checkpoint, self.curves = out / CHECKPOINT, out / CURVES
        settings, schedule = job.settings, job.schedule
        self.device = resolve_device(settings.device)
        network.to(self.device).to(memory_format=torch.channels_last).train()
        optimizer = make_optimizer(
            # The upsampler is trained afterwards, on the finished network.
            [value for name, value in network.named_parameters() if "upsampler" not in name],
            settings.optimizer,
            schedule.learning_rate,
            settings.weight_decay,
        )
        self.state = TrainingState(
            network,
            optimizer,
            one_cycle(optimizer, schedule.learning_rate, schedule.iterations),
            Precision(settings.mixed_precision, self.device),
            running_mean(network, settings.ema) if settings.ema else None,
        )
        self.consistency = (
            Consistency(job.unlabelled, settings, job.seed, job.preprocess)
            if settings.learns_unlabelled and job.unlabelled
            else None
        )
        self.passed = EpochMetrics(sum(len(one.slices) for one in job.sources), settings.batch_size)
        self.done = 0
        self.seconds = self.cpu_seconds = 0.0

    def start(self) -> None:
        """Continue from the checkpoint of the same job if there is one."""
        if not self.checkpoint.is_file():
            return
        content = load_checkpoint(self.checkpoint)
        if content.get("job") != self.key:
            return
        self.state.restore(content)
        self.done = content["iteration"]
        self.seconds, self.cpu_seconds = content["seconds"], content["cpu_seconds"]
        self.passed.restore(content["passed"])

    def run(self, advance: Advance) -> None:
        """Train to the last iteration."""
        settings, iterations = self.job.settings, self.job.schedule.iterations
        samples = SemanticSamples(self.job.sources, settings, self.job.seed, self.job.preprocess)
        batches = training_batches(
            samples, settings.batch_size, self.done, iterations, settings.workers
        )
        unlabelled: Iterable[Batch | None] = (
            repeat(None)
            if self.consistency is None
            else self.consistency.batches(self.done, iterations)
        )
        curves = CurveFile(self.curves, self.done)
        for batch, more in self._timed(zip(batches, unlabelled, strict=False)):
            line = self._step(batch, more)
            self.done += 1
            if settings.evaluation_period and self.done % settings.evaluation_period == 0:
                line |= self._evaluate().curve()
            saved = self.done % settings.checkpoint_period == 0 or self.done == iterations
            curves.append(line)
            if saved:
                curves.sync()
                self._save()
            advance(self.done, f"loss {line['total_loss']:.2f}")

    def finish(self) -> SemanticNetwork:
        """Return the network that is kept, its features' upsampler trained where there is one."""
        network = self.state.result
        assert isinstance(network, SemanticNetwork)
        started, cpu_started = time.monotonic(), time.process_time()
        if network.upsampler is not None:
            train_featup(
                network.eval(),
                self.job.sources,
                self.job.settings,
                self.job.seed,
                self.job.preprocess,
            )
        self.seconds += time.monotonic() - started
        self.cpu_seconds += time.process_time() - cpu_started
        return network.eval()

    def _timed(
        self, batches: Iterable[tuple[Batch, Batch | None]]
    ) -> Iterator[tuple[Batch, Batch | None]]:
        """Pass batches on, and note how long they and what was done with them took."""
        started, cpu_started = time.monotonic(), time.process_time()
        for batch in batches:
            yield batch
            now, cpu_now = time.monotonic(), time.process_time()
            self.seconds += now - started
            self.cpu_seconds += cpu_now - cpu_started
            started, cpu_started = now, cpu_now

    def _step(self, labelled: Batch, unlabelled: Batch | None) -> dict[str, Any]:
        """Do one iteration; return its line of the learning curves."""
        state, settings = self.state, self.job.settings
        rate = state.optimizer.param_groups[0]["lr"]
        with state.precision.autocast():
            batch, count = self._on_device(labelled), len(labelled.slices)
            share = 0.0
            if self.consistency is not None and unlabelled is not None:
                share = self.consistency.weight_at(self.done, self.job.schedule.iterations)
                task = self.consistency.task(state.result, self._on_device(unlabelled), self.done)
                batch = collate([batch, task])
            every = state.network(batch.slices.contiguous(memory_format=torch.channels_last))
            logits, targets, weights = every[:count], batch.targets[:count], batch.weights[:count]
            losses = LOSSES[settings.loss]
            parts = {name: loss(logits, targets, weights) for name, loss in losses.items()}
            if unlabelled is not None:
                rest = every[count:], batch.targets[count:], batch.weights[count:]
                parts["loss_consistency"] = (
                    share * torch.stack([loss(*rest) for loss in losses.values()]).sum()
                )
            total: Tensor = torch.stack(list(parts.values())).sum()
        values = {name: float(value.detach()) for name, value in parts.items()}
        self._check(values, batch)
        scaler = state.precision.scaler
        state.optimizer.zero_grad()
        scaler.scale(total).backward()
        scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip_gradient_norm)
        scaler.step(state.optimizer)
        scaler.update()
        state.schedule.step()
        if state.average is not None:
            state.average.update_parameters(state.network)
        counts = count_foreground(logits.detach(), targets, weights)
        line = {"iteration": self.done, "total_loss": float(total.detach()), **values, "lr": rate}
        return {**line, "iou": counts.iou, **self.passed.add(counts)}

    def _on_device(self, batch: Batch) -> Batch:
        slices, targets, weights = (one.to(self.device) for one in batch[:3])
        return Batch(slices, targets, weights, batch.names)

    def _check(self, values: dict[str, float], batch: Batch) -> None:
        if all(abs(value) < float("inf") for value in values.values()):
            return
        told = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        raise FewshotError(
            f"iteration {self.done}: a loss became infinite or NaN ({told}) on the slices "
            f"{', '.join(batch.names)}; lower the learning rate, or look at these slices and "
            "their labels"
        )

    def _evaluate(self) -> Evaluation:
        network = self.state.result
        assert isinstance(network, SemanticNetwork)
        model = SemanticModel(network.eval(), self.job.settings, self.job.name, self.job.preprocess)
        found = evaluate(model, self.job.validation)
        network.train()
        return found

    def _save(self) -> None:
        content = {
            "job": self.key,
            "iteration": self.done,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "passed": self.passed.content(),
            **self.state.content(),
        }
        save_checkpoint(self.checkpoint, content)
