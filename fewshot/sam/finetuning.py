"""Fine-tuning a Segment Anything network, in stretches that continue exactly.

Nothing here draws from torch's own random numbers, and the learning rate follows from the
iteration: weights, optimiser and position are all there is to keep.
"""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fewshot.config.sam import FinetuneSettings
from fewshot.errors import FewshotError, InputError
from fewshot.files import write_json
from fewshot.progress import Advance, no_progress
from fewshot.sam import frames
from fewshot.sam.decoder import ask
from fewshot.sam.embeddings import Embedder
from fewshot.sam.evaluation import evaluate, labelled
from fewshot.sam.finetune_job import (
    CHECKPOINT,
    CURVES,
    DESCRIPTION,
    WEIGHTS,
    FinetuneJob,
    FinetuneState,
    describe,
    job_key,
)
from fewshot.sam.losses import mask_losses, quality_losses
from fewshot.sam.model import save_sam
from fewshot.sam.prompt_sampling import validation_tasks
from fewshot.sam.samples import FinetuneSamples, Sample
from fewshot.sam.scores import mean_dice
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.curves import CurveFile
from fewshot.training.devices import flushed_denormals
from fewshot.training.precision import Precision

_PARTS = {"decoder": ("mask_decoder",), "all": ("image_encoder", "mask_decoder")}
_LEAST_RATE = 0.01  # at the end, of the learning rate


def finetune(
    job: FinetuneJob, out: Path, advance: Advance = no_progress, stop_after: int | None = None
) -> FinetuneState:
    """Fine-tune a network into the folder `out`; return where it stands.

    Leaves `sam.pth`, the weights with the best validation Dice so far in the package's own layout,
    `training.jsonl`, and when all iterations are done `model.json`. Until then `checkpoint.pth`
    lets the same job continue: on the CPU to the same weights, bit by bit, as in one go.

    Args:
        job: what to train.
        out: folder to write to.
        advance: called with the number of iterations done and a few words.
        stop_after: do at most so many iterations now and leave the rest for another call.

    Raises:
        InputError: no slice is labelled.
        FewshotError: a loss became infinite or NaN.
    """
    training = _Training(job, out)
    with flushed_denormals():
        state = training.run(advance, stop_after)
    if state.iteration == job.settings.iterations:
        write_json(out / DESCRIPTION, describe(job, state))
        (out / CHECKPOINT).unlink(missing_ok=True)
    return state


class _Training:
    """The network, its optimiser, and where the training stands."""

    def __init__(self, job: FinetuneJob, out: Path) -> None:
        self._job, self._out = job, out
        self._model = job.model
        settings = job.settings
        self._samples = FinetuneSamples(
            labelled(job.train, "training slices"), settings, job.augmentation
        )
        self._validation = labelled(job.validation, "validation slices")
        self._key = job_key(job)
        self._precision = Precision(settings.mixed_precision, self._model.device)
        self._trained = _trained_part(self._model.network, settings)
        self._optimizer = torch.optim.AdamW(
            [one for one in self._model.network.parameters() if one.requires_grad],
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        # An image encoder that learns makes embeddings of its own at every step.
        folder = job.embeddings if settings.train == "decoder" else None
        self._embedder = Embedder(
            self._model, folder, mixed_precision=settings.mixed_precision, batch_size=4
        )
        self.state = FinetuneState()

    def run(self, advance: Advance, stop_after: int | None) -> FinetuneState:
        """Train on from the checkpoint, if there is one of this job, else from the start."""
        iterations = self._job.settings.iterations
        if not self._restore():
            before = self._dice()
            self.state = FinetuneState(0, before, before, 0)
            save_sam(self._out / WEIGHTS, self._model.network)
        start = self.state.iteration
        curves = CurveFile(self._out / CURVES, start)
        stop = iterations if stop_after is None else min(iterations, start + stop_after)
        for iteration in range(start, stop):
            line = {"iteration": iteration, **self._step(iteration)}
            done = iteration + 1
            self.state = replace(self.state, iteration=done)
            if done % self._job.settings.evaluation_period == 0 or done == iterations:
                line["validation_dice"] = self._judge(done)
            curves.append(line)
            if done % self._job.settings.checkpoint_period == 0 or done == stop:
                curves.sync()
                self._save()
            advance(done, f"loss {line['loss']:.3f}, best Dice {self.state.best_dice:.3f}")
        return self.state

    def _step(self, iteration: int) -> dict[str, float]:
        settings = self._job.settings
        first = iteration * settings.batch_size
        samples = [self._samples[first + place] for place in range(settings.batch_size)]
        rate = settings.learning_rate * _rate_share(iteration, settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with self._precision.autocast():
            features = self._features(samples)
            losses = [self._loss(*pair) for pair in zip(features, samples, strict=True)]
            total = torch.stack(losses).mean()
        if not torch.isfinite(total):
            names = ", ".join(sample.record.file_name for sample in samples)
            raise FewshotError(
                f"iteration {iteration}: the loss became infinite or NaN on the slices {names}; "
                "lower the learning rate, or look at these slices and their labels"
            )
        scaler = self._precision.scaler
        self._optimizer.zero_grad()
        scaler.scale(total).backward()
        scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._trained.values(), settings.clip_gradient_norm)
        scaler.step(self._optimizer)
        scaler.update()
        return {"loss": float(total.detach()), "learning_rate": rate}

    def _features(self, samples: list[Sample]) -> list[torch.Tensor]:
        images = [sample.image for sample in samples if sample.image is not None]
        if not images:
            return [self._embedder.of(self._samples.slices, one.record) for one in samples]
        network: Any = self._model.network
        features: torch.Tensor = network.image_encoder(frames.to_inputs(self._model, images))
        return list(features)

    def _loss(self, features: torch.Tensor, sample: Sample) -> torch.Tensor:
        task, size = sample.task, (sample.record.height, sample.record.width)
        outputs = "all" if task.prompts.only_points else "one"
        answer = ask(self._model, features, task.prompts, size, outputs=outputs)  # type: ignore[arg-type]
        truth = torch.from_numpy(task.truth).to(self._model.device).float()
        logits = frames.to_slice(self._model, answer.low, size)
        losses = mask_losses(logits, truth, self._job.settings.loss)
        # Points may mean several things: only the best of the three answers is held to this one.
        by_mask = losses[:, 0] + (losses[:, 1:].amin(dim=1) if outputs == "all" else 0)
        return by_mask.mean() + quality_losses(answer.quality, logits, truth).sum(dim=1).mean()

    def _dice(self) -> float:
        mix = self._job.settings.prompts
        scores = evaluate(
            self._embedder, self._validation, lambda masks: validation_tasks(masks, mix)
        )
        return mean_dice(scores)

    def _judge(self, done: int) -> float:
        dice = self._dice()
        if dice > self.state.best_dice:
            self.state = replace(self.state, best_dice=dice, best_iteration=done)
            save_sam(self._out / WEIGHTS, self._model.network)
        return dice

    def _save(self) -> None:
        content = {
            "job": self._key,
            "state": asdict(self.state),
            "network": {name: value.detach() for name, value in self._trained.items()},
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._precision.scaler.state_dict(),
        }
        save_checkpoint(self._out / CHECKPOINT, content)

    def _restore(self) -> bool:
        path = self._out / CHECKPOINT
        if not path.is_file():
            return False
        content = load_checkpoint(path)
        if content.get("job") != self._key:
            raise InputError(
                f"{path}: is of another fine-tuning (other data, checkpoint or settings); "
                "give another folder"
            )
        with torch.no_grad():
            for name, value in self._trained.items():
                value.copy_(content["network"][name])
        self._optimizer.load_state_dict(content["optimizer"])
        self._precision.scaler.load_state_dict(content["scaler"])
        self.state = FinetuneState(**content["state"])
        return True


def _trained_part(network: nn.Module, settings: FinetuneSettings) -> dict[str, nn.Parameter]:
    """Freeze what is not trained, the prompt encoder among it; return what is, by name."""
    parts = _PARTS[settings.train]
    for name, value in network.named_parameters():
        value.requires_grad_(name.partition(".")[0] in parts)
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def _rate_share(iteration: int, settings: FinetuneSettings) -> float:
    """Return the part of the learning rate that holds: a linear rise, then half a cosine."""
    rise = max(1, round(settings.warm_up * settings.iterations))
    if iteration < rise:
        return (iteration + 1) / rise
    place = (iteration - rise) / max(1, settings.iterations - rise)
    return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * place)) / 2
