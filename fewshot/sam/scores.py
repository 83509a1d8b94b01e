"""Scores of masks for prompts on true structures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.slices.arrays import Mask


@dataclass(frozen=True)
class StructureScore:
    """A structure of a slice: its area in pixels, and IoU and Dice of its predicted mask."""

    image: str
    structure: int
    area: int
    iou: float
    dice: float
    quality: float


def overlap(truth: Mask, masks: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return IoU and Dice of pairs of masks, (n, height, width) each; two empty masks score 1."""
    common = (truth & masks).sum(axis=(1, 2)).astype(np.float64)
    total = truth.sum(axis=(1, 2)) + masks.sum(axis=(1, 2)).astype(np.float64)
    union = total - common
    iou = np.where(union > 0, common / np.maximum(union, 1), 1.0)
    return iou, np.where(total > 0, 2 * common / np.maximum(total, 1), 1.0)


def score_structures(
    image: str, truth: Mask, masks: Mask, quality: NDArray[np.float32]
) -> list[StructureScore]:
    """Return the scores of predicted masks of a slice's structures, in their order."""
    iou, dice = overlap(truth, masks)
    areas = truth.sum(axis=(1, 2))
    return [
        StructureScore(
            image, row, int(areas[row]), float(iou[row]), float(dice[row]), float(quality[row])
        )
        for row in range(len(truth))
    ]


def mean_dice(scores: Iterable[StructureScore]) -> float:
    """Return the mean Dice over structures; 0 when there are none."""
    return _mean([one.dice for one in scores])


def mean_iou(scores: Iterable[StructureScore]) -> float:
    """Return the mean IoU over structures; 0 when there are none."""
    return _mean([one.iou for one in scores])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
