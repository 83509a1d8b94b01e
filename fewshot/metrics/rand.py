"""The adjusted Rand index of label maps, over the labelled pixels and over all pixels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

# Ordinary label maps give a small table, counted whole; above these bounds (16-bit ids, 8 MB of
# counts) only the ids and cells that occur are kept.
_DENSE_LABELS = 1 << 16
_DENSE_CELLS = 1 << 20

LabelMap: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.bool_]
_Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class RandScore:
    """The adjusted Rand index of one slice, with and without the pixels whose true label is 0."""

    foreground: float
    all_pixels: float


@dataclass(frozen=True)
class RandSummary:
    """The mean of both indices over slices, and the score of each slice by name."""

    foreground: float
    all_pixels: float
    per_image: dict[str, RandScore]


def adjusted_rand(truth: LabelMap, prediction: LabelMap, *, foreground: bool) -> float:
    """Return the adjusted Rand index of two label maps, in -0.5 to 1.

    `truth` and `prediction` have the same shape and hold non-negative integer ids; only which
    pixels share an id matters. With `foreground`, pixels whose true label is 0 are left out.
    Counts are exact integers at every image size, so the value is scikit-learn's
    `adjusted_rand_score`. Two partitions that agree wholly score 1.0, and so do no pixels at all:
    a slice without a true label scores 1.0 on the foreground whatever is predicted.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    Source: Hubert and Arabie, Comparing partitions, Journal of Classification 2 (1985), in the
    pair-confusion form of scikit-learn.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"label maps: the truth has shape {truth.shape} and the prediction {prediction.shape};"
            " give both the same size"
        )
    true_labels, predicted_labels = truth.ravel(), prediction.ravel()
    if foreground:
        selected = true_labels != 0
        true_labels, predicted_labels = true_labels[selected], predicted_labels[selected]
    pixels = true_labels.size
    if pixels == 0:
        return 1.0
    cells, true_sizes, predicted_sizes = _contingency(true_labels, predicted_labels)
    together = _sum_of_squares(cells)
    in_truth, in_prediction = _sum_of_squares(true_sizes), _sum_of_squares(predicted_sizes)

    # Ordered pairs of pixels, as Python integers: their products pass 2**63 at 512 x 512.
    both = together - pixels
    only_prediction = in_prediction - together
    only_truth = in_truth - together
    neither = pixels * pixels - in_truth - in_prediction + together
    if only_prediction == 0 and only_truth == 0:
        return 1.0
    chance = (both + only_truth) * (only_truth + neither) + (both + only_prediction) * (
        only_prediction + neither
    )
    return 2.0 * (both * neither - only_truth * only_prediction) / chance


def score_slice(truth: LabelMap, prediction: LabelMap) -> RandScore:
    """Return both adjusted Rand indices of one slice; see `adjusted_rand`."""
    return RandScore(
        foreground=adjusted_rand(truth, prediction, foreground=True),
        all_pixels=adjusted_rand(truth, prediction, foreground=False),
    )


def summarise(per_image: Mapping[str, RandScore]) -> RandSummary:
    """Return the plain means of both indices over slices; `InputError` when there is no slice."""
    if not per_image:
        raise InputError("scores: there is no slice to average; give at least one")
    scores = list(per_image.values())
    return RandSummary(
        foreground=math.fsum(score.foreground for score in scores) / len(scores),
        all_pixels=math.fsum(score.all_pixels for score in scores) / len(scores),
        per_image=dict(per_image),
    )


def _contingency(truth: LabelMap, prediction: LabelMap) -> tuple[_Counts, _Counts, _Counts]:
    """Return the counts of (true, predicted) label pairs, of true and of predicted labels."""
    true_codes, true_count = _codes(truth, "truth")
    predicted_codes, predicted_count = _codes(prediction, "prediction")
    # One array of eight bytes a pixel, built in place: fresh memory costs more than the counting.
    pairs = np.multiply(true_codes, predicted_count, dtype=np.int64)
    pairs += predicted_codes
    if true_count * predicted_count <= _DENSE_CELLS:
        cells = np.bincount(pairs, minlength=true_count * predicted_count)
        table = cells.reshape(true_count, predicted_count)
        return cells, table.sum(axis=1), table.sum(axis=0)
    cells = np.unique(pairs, return_counts=True)[1]
    return cells, np.bincount(true_codes), np.bincount(predicted_codes)


def _codes(labels: LabelMap, name: str) -> tuple[LabelMap, int]:
    """Return labels below a bound, and that bound; large ids are renumbered."""
    if labels.dtype.kind not in "biu":
        raise InputError(f"label maps: the {name} holds {labels.dtype}; give integer ids")
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise InputError(f"label maps: the {name} holds negative ids; give ids from 0 up")
    largest = int(labels.max())
    if largest < _DENSE_LABELS:
        return labels.astype(np.int64) if labels.dtype == np.uint64 else labels, largest + 1
    values, codes = np.unique(labels, return_inverse=True)
    return codes, values.size


def _sum_of_squares(counts: _Counts) -> int:
    """Return the exact sum of squared counts; below 2**63 for up to 3 * 10**9 pixels."""
    return int(np.dot(counts, counts))
