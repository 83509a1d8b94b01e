"""What a training is made from, and the digest that tells one job from another."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.code_digest import code_digest
from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.detector.data import TrainingSource
from fewshot.detector.teacher import Renewal
from fewshot.detector.watch import Watch
from fewshot.detector.weights import initial_weights
from fewshot.errors import InputError
from fewshot.files import sha256_file
from fewshot.masks.coco import SliceSet


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
    """Return a digest of all that decides the course of a training.

    Settings, slices with their masks and the bytes of their images, the weights to start from, and
    fewshot's own code: a checkpoint or a model under another key is of another training. Raises
    `InputError` when an image cannot be read.
    """
    parts: list[Any] = [
        job.name,
        job.seed,
        job.schedule.model_dump(include={"learning_rate", "iterations"}),
        job.detector.model_dump(exclude={"workers", "evaluation_period", "checkpoint_period"}),
        job.augmentation.model_dump(),
        job.preprocess.model_dump(mode="json"),
    ]
    for source in job.sources:
        parts += [source.share, source.weighed, source.renewed, _content(source.slices)]
        parts += [] if source.uncertain is None else [_content(source.uncertain)]
    start = job.start
    parts += [_content(job.validation), None if start is None else _digest(start), code_digest()]
    if job.renewal is not None:
        renewal = job.renewal
        parts += [renewal.settings.model_dump(), renewal.most_masks]
        parts += [job.detector.evaluation_period]  # the teacher stops at an evaluation
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _content(slices: SliceSet) -> list[Any]:
    masks = [slices.masks_of(record.image_id) for record in slices.records]
    return [
        [vars(record) for record in slices.records],
        [_digest(slices.path_of(record)) for record in slices.records],
        [[one.rles, one.scores.tolist()] for one in masks],
    ]


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
