"""Prompts with their true masks, for fine-tuning and validation."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from fewshot.config.sam import PromptMix
from fewshot.sam.prompts import (
    PROMPT_KINDS,
    Prompts,
    from_masks,
    jittered,
    points_prompt,
    tight_boxes,
    whole_slice,
)
from fewshot.slices.arrays import Mask

# How often a mix asks in which way.
_MIX = (("box", 0.5), ("whole", 0.15), ("points", 0.15), ("mask", 0.2))
_MOST_POINTS = 5


@dataclass(frozen=True, eq=False)
class Task:
    """Prompts on a slice, and the true mask of each: bool (n, height, width)."""

    prompts: Prompts
    truth: Mask


def training_task(
    masks: Mask, mix: PromptMix, jitter: float, most: int, rng: np.random.Generator
) -> Task:
    """Return a random task on a slice's structures, at most `most` of them.

    `box`: tight boxes with shifted sides; `points`: one to five points inside; `whole`: one box
    around the slice for all structures together; `mix`: all of these, and corrupted masks with
    their boxes and points, as in refinement.
    """
    kind = mix if mix != "mix" else str(rng.choice([k for k, _ in _MIX], p=[p for _, p in _MIX]))
    height, width = masks.shape[1:]
    if kind == "whole":
        return whole_task(masks)
    chosen = rng.permutation(len(masks))[:most]
    truth = masks[np.sort(chosen)]
    if kind == "points":
        return Task(_random_points(truth, int(rng.integers(1, _MOST_POINTS + 1)), rng), truth)
    if kind == "mask":
        damaged = np.stack([_damaged(mask, rng) for mask in truth])
        boxes = jittered(tight_boxes(damaged), height, width, jitter / 2, rng)
        return Task(from_masks(damaged, boxes, PROMPT_KINDS[1 + int(rng.integers(2))]), truth)
    return Task(Prompts(jittered(tight_boxes(truth), height, width, jitter, rng)), truth)


def whole_task(masks: Mask) -> Task:
    """Return the task of one box around the slice, with the union of its labels."""
    height, width = masks.shape[1:]
    together: Mask = np.any(masks, axis=0, keepdims=True)
    return Task(Prompts(whole_slice(height, width)), together)


def validation_tasks(masks: Mask, mix: PromptMix) -> list[Task]:
    """Return the fixed tasks to validate a fine-tuning with this mix."""
    tight = Task(Prompts(tight_boxes(masks)), masks)
    points = Task(points_prompt(masks, 1), masks)
    return {
        "box": [tight],
        "whole": [whole_task(masks)],
        "points": [points],
        "mix": [tight],
    }[mix]


def _random_points(masks: Mask, count: int, rng: np.random.Generator) -> Prompts:
    points = np.zeros((len(masks), count, 2), dtype=np.float32)
    for row, mask in enumerate(masks):
        ys, xs = np.nonzero(mask)
        chosen = rng.integers(0, len(ys), count)
        points[row] = np.stack([xs[chosen], ys[chosen]], axis=1)
    return Prompts(points=points, labels=np.ones(points.shape[:2], dtype=np.int32))


def _damaged(mask: Mask, rng: np.random.Generator) -> Mask:
    """Return a corrupted mask, like that of a detector: shifted, with another contour."""
    size = max(1.0, float(np.sqrt(mask.sum())))
    shift = rng.normal(0, 0.05 * size, 2)
    field = ndimage.gaussian_filter(rng.standard_normal(mask.shape), max(1.0, 0.15 * size))
    field *= 0.12 * size / max(float(field.std()), 1e-6)
    padded = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    moved = ndimage.shift(depth[1:-1, 1:-1] + field, shift, order=1, mode="nearest")
    damaged: Mask = moved > rng.normal(0, 0.05 * size)
    return damaged if damaged.any() else mask
