"""What a training is made from, and the digest that tells one job from another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.detector.teacher import Renewal
from fewshot.detector.watch import Watch
from fewshot.detector.weights import initial_weights
from fewshot.masks.coco import SliceSet
from fewshot.training.identity import digest_of, job_digest
from fewshot.training.sampling import TrainingSource


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
        watch: where the training can be watched; the one field that decides nothing.
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
    watch: Watch | None = None

    @property
    def start(self) -> Path | None:
        """The file of weights that the training starts from, None for a start from scratch."""
        return self.weights or initial_weights(self.detector)


def job_key(job: TrainingJob) -> str:
    """Return a digest of all that decides the course of a training (see `training.identity`)."""
    start = job.start
    parts: list[Any] = [
        job.name,
        job.seed,
        job.schedule.model_dump(include={"learning_rate", "iterations"}),
        job.detector.model_dump(exclude={"workers", "evaluation_period", "checkpoint_period"}),
        job.augmentation.model_dump(),
        None if start is None else digest_of(start),
        job.preprocess.model_dump(mode="json"),
    ]
    if job.renewal is not None:
        renewal = job.renewal
        parts += [renewal.settings.model_dump(), renewal.most_masks]
        parts += [job.detector.evaluation_period]  # the teacher stops at an evaluation
    return job_digest(parts, job.sources, job.validation, "fewshot.detector.training")
