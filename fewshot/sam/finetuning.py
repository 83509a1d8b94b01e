"""Fine-tuning of Segment Anything as a training task (see `training.loop`)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fewshot.config.sam import FinetuneSettings
from fewshot.errors import InputError
from fewshot.sam import frames
from fewshot.sam.checkpoints import TINY
from fewshot.sam.decoder import ask
from fewshot.sam.embeddings import Embedder
from fewshot.sam.evaluation import evaluate, labelled
from fewshot.sam.losses import mask_losses, quality_losses
from fewshot.sam.model import SamModel, load_sam, plain_weights
from fewshot.sam.prompt_sampling import validation_tasks
from fewshot.sam.samples import FinetuneSamples, Sample
from fewshot.sam.scores import mean_dice
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import CHECKPOINT, CURVES, DESCRIPTION, TIME, WEIGHTS
from fewshot.training.state import TrainingState, make_optimizer, warm_cosine
from fewshot.training.task import Evaluation, Step, TrainingTask

EMBEDDINGS, LOGS = "embeddings", "tensorboard"
_PARTS = {"decoder": ("mask_decoder",), "all": ("image_encoder", "mask_decoder")}


def check_folder(out: Path) -> None:
    """Raise `InputError` if a folder contains anything other than a fine-tuning."""
    ours = {CHECKPOINT, WEIGHTS, CURVES, DESCRIPTION, TIME, EMBEDDINGS, LOGS}
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - ours):
        raise InputError(f"--out {out}: contains other files; give another folder")


class FinetuneTask(TrainingTask[Sample, FinetuneSettings]):
    """Training of the mask decoder, or of all but the prompt encoder, kept by best validation Dice.

    The weights file has the package's own keys, so that plain `segment_anything` loads it. A job
    without `weights` starts from an untrained `tiny`.
    """

    kept_score = "dice"

    def __init__(self, job: TrainingJob, embeddings: Path | None = None) -> None:
        """`embeddings` is the folder of embeddings if only the decoder is trained.

        Raises `InputError` if no slice is labelled.
        """
        super().__init__(job)
        self._train = labelled(job.sources[0].slices, "training slices")
        self._validation = labelled(job.validation, "validation slices")
        # If the image encoder is trained, its embeddings change at every step.
        self._folder = embeddings if self.settings.train == "decoder" else None
        self._model: SamModel
        self._embedder: Embedder

    def start_files(self) -> Sequence[Path]:
        """Return the checkpoint that is fine-tuned."""
        return [] if self.job.weights is None else [self.job.weights]

    def build(self) -> nn.Module:
        """Return the network with all untrained parts frozen, such as the prompt encoder."""
        job = self.job
        start = TINY if job.weights is None else str(job.weights)
        self._model = load_sam(start, job.device, untrained=job.seed)
        parts = _PARTS[self.settings.train]
        for name, value in self._model.network.named_parameters():
            value.requires_grad_(name.partition(".")[0] in parts)
        self._embedder = self._embedder_of(self._model)
        return self._model.network

    def optimizer(self, network: nn.Module) -> tuple[Optimizer, LRScheduler]:
        """Return AdamW of the trained parts, and a schedule with warm-up and cosine decay."""
        settings, schedule = self.settings, self.job.schedule
        optimizer = make_optimizer(
            network.parameters(), "adamw", schedule.learning_rate, settings.weight_decay
        )
        return optimizer, warm_cosine(optimizer, schedule.iterations, settings.warm_up)

    def samples(self) -> FinetuneSamples:
        """Return the endless sequence of slices with prompts."""
        job = self.job
        return FinetuneSamples(self._train, self.settings, job.augmentation, job.seed)

    def names(self, samples: Sequence[Sample]) -> list[str]:
        """Return the samples' files."""
        return [sample.record.file_name for sample in samples]

    def losses(self, state: TrainingState, samples: list[Sample], iteration: int) -> Step:
        """Return the losses of the masks and of their predicted quality."""
        features = self._features(samples)
        found = [self._losses(*pair) for pair in zip(features, samples, strict=True)]
        masks, quality = torch.stack(found).mean(dim=0)
        return Step({"loss_mask": masks, "loss_quality": quality})

    def evaluate(self, network: nn.Module) -> Evaluation:
        """Return the mean Dice over the structures of the validation slices."""
        embedder, mix = self._embedder, self.settings.prompts
        if network is not self._model.network:  # the moving average
            embedder = self._embedder_of(replace(self._model, network=network))
        scores = evaluate(embedder, self._validation, lambda masks: validation_tasks(masks, mix))
        return Evaluation({"dice": mean_dice(scores)})

    def weights(self, network: nn.Module) -> dict[str, Any]:
        """Return the weights with the package's own keys."""
        return plain_weights(network)

    def facts(self) -> dict[str, Any]:
        """Return the architecture, and the name of the network that was fine-tuned."""
        return {"layout": self._model.layout, "start": self._model.name}

    def _embedder_of(self, model: SamModel) -> Embedder:
        settings = self.settings
        return Embedder(
            model,
            self._folder,
            mixed_precision=settings.mixed_precision,
            batch_size=settings.prediction_batch_size,
        )

    def _features(self, samples: list[Sample]) -> list[torch.Tensor]:
        images = [sample.image for sample in samples if sample.image is not None]
        if not images:
            return [self._embedder.of(self._train, one.record) for one in samples]
        network: Any = self._model.network
        features: torch.Tensor = network.image_encoder(frames.to_inputs(self._model, images))
        return list(features)

    def _losses(self, features: torch.Tensor, sample: Sample) -> torch.Tensor:
        task, size = sample.task, (sample.record.height, sample.record.width)
        outputs = "all" if task.prompts.only_points else "one"
        answer = ask(self._model, features, task.prompts, size, outputs=outputs)  # type: ignore[arg-type]
        truth = torch.from_numpy(task.truth).to(self._model.device).float()
        logits = frames.to_slice(self._model, answer.low, size)
        losses = mask_losses(logits, truth, self.settings.loss)
        # Points may mean several things: only the best of the three answers is held to this one.
        by_mask = losses[:, 0] + (losses[:, 1:].amin(dim=1) if outputs == "all" else 0)
        quality = quality_losses(answer.quality, logits, truth).sum(dim=1)
        return torch.stack([by_mask.mean(), quality.mean()])
