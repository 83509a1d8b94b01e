"""What a training depends on, as a digest: a checkpoint is continued by the same job alone."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fewshot.masks.coco import SliceSet
from fewshot.torch_tools.samples import TrainingSource


def job_key(parts: Sequence[Any], sources: Sequence[TrainingSource], validation: SliceSet) -> str:
    """Return a digest of plain values, of what is trained on and of what is looked at."""
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
    text = json.dumps([*parts, shown, _content(validation)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _content(slices: SliceSet) -> list[Any]:
    masks = [slices.masks_of(record.image_id) for record in slices.records]
    return [
        [vars(record) for record in slices.records],
        [[one.rles, one.scores.tolist()] for one in masks],
    ]
