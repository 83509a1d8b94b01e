"""All scores of a label map against another, and their means over slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from fewshot.errors import InputError
from fewshot.metrics.bootstrap import MeanInterval, bootstrap_means
from fewshot.metrics.contingency import LabelMap, contingency
from fewshot.metrics.kappa import foreground_kappa, region_kappa
from fewshot.metrics.overlap import match_regions
from fewshot.metrics.rand import rand_score_of


@dataclass(frozen=True)
class SliceScores:
    """Every score of one slice.

    The adjusted Rand index over the pixels with a true label and over all; mean IoU and Dice of the
    best one-to-one matching of regions; average precision at IoU 0.50 and over 0.50:0.95, without
    scores; Cohen's kappa of foreground and of matched regions. Then how many regions each side has.
    """

    ari_foreground: float
    ari_all: float
    iou: float
    dice: float
    ap50: float
    ap: float
    kappa: float
    kappa_regions: float
    true_regions: int
    predicted_regions: int


METRICS = tuple(field.name for field in fields(SliceScores) if field.type is float)


def score_label_maps(truth: LabelMap, prediction: LabelMap) -> SliceScores:
    """Return all scores of a predicted label map; the pixels are counted once.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    """
    cells = contingency(truth, prediction)
    rand, matching = rand_score_of(cells), match_regions(cells)
    precision = matching.precision()
    return SliceScores(
        ari_foreground=rand.foreground,
        ari_all=rand.all_pixels,
        iou=matching.iou(),
        dice=matching.dice(),
        ap50=float(precision[0]),
        ap=float(precision.mean()),
        kappa=foreground_kappa(cells),
        kappa_regions=region_kappa(cells, matching),
        true_regions=matching.true_regions,
        predicted_regions=matching.predicted_regions,
    )


def mean_scores(
    per_image: Mapping[str, SliceScores], groups: Sequence[str] | None
) -> dict[str, MeanInterval]:
    """Return each metric's mean over slices with its bootstrap interval; see `bootstrap_means`.

    `groups` names the patient of each slice, in the order of `per_image`.
    """
    if not per_image:
        raise InputError("scores: there is no slice to average; give at least one")
    values = np.array([metrics_of(scores) for scores in per_image.values()])
    return dict(zip(METRICS, bootstrap_means(values, groups), strict=True))


def metrics_of(scores: SliceScores) -> list[float]:
    """Return a slice's scores in the order of `METRICS`."""
    return [getattr(scores, name) for name in METRICS]


def empty_slice_scores() -> dict[str, dict[str, float]]:
    """Return what a slice without any true region scores, by what was predicted on it.

    The region is one on a part of the slice: a single region on all of it is the same partition as
    none, and scores 1 in the adjusted Rand index.
    """
    empty, region = np.zeros(4, dtype=np.uint8), np.array([0, 1, 1, 0], dtype=np.uint8)
    return {
        name: dict(zip(METRICS, metrics_of(score_label_maps(empty, prediction)), strict=True))
        for name, prediction in (("nothing_predicted", empty), ("region_predicted", region))
    }
