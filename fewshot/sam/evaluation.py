"""Evaluation of a network on labelled slices."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.sam.decoder import answer_masks
from fewshot.sam.embeddings import Embedder
from fewshot.sam.prompt_sampling import Task
from fewshot.sam.scores import StructureScore, score_structures

Asker = Callable[[NDArray[np.bool_]], list[Task]]


def labelled(slices: SliceSet, where: str) -> SliceSet:
    """Return the slices that have masks; `InputError` if there are none."""
    kept = [one.image_id for one in slices.records if len(slices.masks_of(one.image_id))]
    if not kept:
        raise InputError(f"{where}: contains no labelled slices; give some with masks")
    return slices.subset(kept)


def evaluate(embedder: Embedder, slices: SliceSet, tasks: Asker) -> list[StructureScore]:
    """Return the scores of all structures of the tasks, slice by slice.

    `tasks` makes the prompts and their true masks from the masks of a labelled slice, bool
    (n, height, width).
    """
    scores: list[StructureScore] = []
    for record, features in embedder.over(slices):
        masks = slices.masks_of(record.image_id).decode()
        size = record.height, record.width
        for task in tasks(masks):
            found, quality = answer_masks(embedder.model, features, task.prompts, size)
            scores += score_structures(record.file_name, task.truth, found, quality)
    return scores
