"""The training of one network of any kind: its inputs and its identity."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.code_digest import code_digest
from fewshot.config.logging import LoggingSettings
from fewshot.config.network import LoopSettings, NetworkSettings, ScheduleSettings
from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.errors import InputError
from fewshot.files import sha256_file
from fewshot.masks.coco import SliceSet
from fewshot.training.sampling import TrainingSource

USUAL_LOOP = LoopSettings()
NO_SLICES = SliceSet(Path(), (), {})


@dataclass(frozen=True)
class TrainingJob:
    """All inputs of a training, and a few settings that do not affect its result.

    Attributes:
        name: the model's name, which is the source of its predictions.
        settings: of the network; their class determines its kind.
        augmentation, schedule: random changes of slices; learning rate and iterations.
        seed: of the initial weights, the order of samples and their augmentation.
        sources: the slices to train on.
        validation: labelled slices to evaluate on.
        weights: file of initial weights, instead of the one in the settings.
        unlabelled: unlabelled slices to train on, if the settings have `learns_unlabelled`.
        preprocess: preprocessing of every slice, in training and prediction.
        loop, device: settings of the loop, and the device to compute on.
        logging, logs: settings of logs, and the TensorBoard folder.
    """

    name: str
    settings: NetworkSettings
    augmentation: AugmentationSettings
    schedule: ScheduleSettings
    seed: int
    sources: Sequence[TrainingSource] = ()
    validation: SliceSet = NO_SLICES
    weights: Path | None = None
    unlabelled: SliceSet | None = None
    preprocess: PreprocessSettings = AS_READ
    loop: LoopSettings = USUAL_LOOP
    device: str = "auto"
    logging: LoggingSettings | None = None
    logs: Path | None = None


def identity(job: TrainingJob, start_files: Sequence[Path], *modules: str) -> str:
    """Return a digest of everything that the result of a training depends on.

    That is settings, slices with their masks and the bytes of their images, initial weights, and
    the code that `modules` depend on. A checkpoint or model with another digest is of another
    training. Raises `InputError` if a file cannot be read.
    """
    settings = job.settings.identity("training")
    settings.pop("weights", None)  # what counts is in the files
    sources = [
        [
            source.share,
            source.score_weighted,
            _content(source.slices),
            None if source.uncertain is None else _content(source.uncertain),
        ]
        for source in job.sources
    ]
    parts = [
        job.name,
        job.seed,
        job.schedule.model_dump(include={"learning_rate", "iterations"}),
        settings,
        job.loop.identity("training"),
        job.augmentation.model_dump(),
        [_digest_of(path) for path in start_files],
        job.preprocess.model_dump(mode="json"),
        sources,
        _content(job.validation),
        None if job.unlabelled is None else _content(job.unlabelled),
        code_digest(*modules),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _content(slices: SliceSet) -> list[Any]:
    masks = [slices.masks_of(record.image_id) for record in slices.records]
    return [
        [vars(record) for record in slices.records],
        [_digest_of(slices.path_of(record)) for record in slices.records],
        [[one.rles, one.scores.tolist()] for one in masks],
    ]
