"""What a training depends on, as a digest: a checkpoint is continued by the same job alone."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.code_digest import code_digest
from fewshot.errors import InputError
from fewshot.files import sha256_file
from fewshot.masks.coco import SliceSet
from fewshot.training.sampling import TrainingSource


def job_digest(
    parts: Sequence[Any], sources: Sequence[TrainingSource], validation: SliceSet, module: str
) -> str:
    """Return a digest of all that decides the course of a training.

    Settings and other plain values in `parts`, slices with their masks and the bytes of their
    images, and the code that `module` depends on: a checkpoint or a model under another key is of
    another training. Raises `InputError` when an image cannot be read.
    """
    shown = [
        [
            source.share,
            source.weighed,
            source.renewed,
            _content(source.slices),
            None if source.uncertain is None else _content(source.uncertain),
        ]
        for source in sources
    ]
    text = json.dumps([*parts, shown, _content(validation), code_digest(module)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; `InputError` when it cannot be read."""
    try:
        return sha256_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _content(slices: SliceSet) -> list[Any]:
    masks = [slices.masks_of(record.image_id) for record in slices.records]
    return [
        [vars(record) for record in slices.records],
        [digest_of(slices.path_of(record)) for record in slices.records],
        [[one.rles, one.scores.tolist()] for one in masks],
    ]
