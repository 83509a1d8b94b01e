"""The adjusted Rand index of label maps, over the labelled pixels or all pixels."""

from dataclasses import dataclass

import numpy as np

from fewshot.config.base import Metric
from fewshot.metrics.contingency import Contingency, Counts, contingency
from fewshot.slices.arrays import Labels


@dataclass(frozen=True)
class RandScore:
    """The adjusted Rand index of one slice, with and without the pixels whose true label is 0."""

    foreground: float
    all_pixels: float

    def of(self, metric: Metric) -> float:
        """Return one variant."""
        return self.foreground if metric == "foreground" else self.all_pixels


def adjusted_rand(truth: Labels, prediction: Labels, *, foreground: bool) -> float:
    """Return the adjusted Rand index of two label maps, in -0.5 to 1.

    `truth` and `prediction` have the same shape and contain non-negative integer ids; only which
    pixels share an id matters. With `foreground`, pixels whose true label is 0 are left out.
    Counts are exact integers at every image size, so the value equals scikit-learn's
    `adjusted_rand_score`. Equal partitions score 1.0, and so does an empty set of pixels: a slice
    without true labels scores 1.0 on the foreground whatever was predicted.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    Source: Hubert and Arabie, Comparing partitions, Journal of Classification 2 (1985), in the
    pair-confusion form of scikit-learn.

    >>> truth = np.array([0, 0, 1, 1, 2, 2])
    >>> renumbered = np.array([9, 9, 5, 5, 7, 7])
    >>> adjusted_rand(truth, renumbered, foreground=False)
    1.0
    >>> merged = np.array([0, 0, 1, 1, 1, 1])
    >>> round(adjusted_rand(truth, merged, foreground=False), 2)
    0.44
    >>> adjusted_rand(truth, merged, foreground=True)
    0.0
    """
    cells = contingency(truth, prediction)
    return adjusted_rand_of(cells.foreground() if foreground else cells)


def adjusted_rand_of(cells: Contingency) -> float:
    """Return the adjusted Rand index of counted pixels; see `adjusted_rand`."""
    pixels = cells.pixels()
    if pixels == 0:
        return 1.0
    together = _sum_of_squares(cells.counts)
    in_truth = _sum_of_squares(cells.true_sizes)
    in_prediction = _sum_of_squares(cells.predicted_sizes)

    # Ordered pairs of pixels, as Python integers: their products exceed 2**63 at 512 x 512.
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


def score_slice(truth: Labels, prediction: Labels) -> RandScore:
    """Return both adjusted Rand indices of one slice; see `adjusted_rand`."""
    cells = contingency(truth, prediction)
    return RandScore(adjusted_rand_of(cells.foreground()), adjusted_rand_of(cells))


def _sum_of_squares(counts: Counts) -> int:
    """Return the exact sum of squared counts; below 2**63 for up to 3 * 10**9 pixels."""
    return int(np.dot(counts, counts))
