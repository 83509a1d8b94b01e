"""Matching of true and predicted regions, and how well the matched ones agree."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fewshot.errors import InputError
from fewshot.metrics.contingency import Contingency, Counts, contingency
from fewshot.slices.arrays import Labels

# Label maps of the challenge have at most 255 regions; a table of this many pairs takes 128 MB.
_MAX_PAIRS = 1 << 24
# In percent, because 0.05 has no exact float.
_PERCENT = np.arange(50, 100, 5)


@dataclass(frozen=True, eq=False)
class Matching:
    """The best one-to-one matching of the regions of two label maps.

    `truth` and `prediction` are the ids (as counted up in the `Contingency`) of the matched
    regions, `overlap` their common pixels and `union` all pixels of both, shape (pairs,) each.
    `true_regions` and `predicted_regions` say how many regions there are, matched or not.
    """

    truth: NDArray[np.intp]
    prediction: NDArray[np.intp]
    overlap: Counts
    union: Counts
    true_regions: int
    predicted_regions: int

    def iou(self) -> float:
        """Return the mean intersection over union, 0 to 1.

        The mean is over the regions of the side that has more of them, so that a missed or an
        invented region counts as 0. Two empty label maps score 1.
        """
        return self._mean(self.overlap / self.union)

    def dice(self) -> float:
        """Return the mean Dice coefficient of the pairs, averaged as in `iou`."""
        return self._mean(2 * self.overlap / (self.union + self.overlap))

    def precision(self) -> NDArray[np.float64]:
        """Return the average precision at IoU 0.50, 0.55 ... 0.95, shape (10,).

        Label maps have no scores and thus no precision-recall curve: as in the 2018 Data Science
        Bowl, StarDist and Cellpose it is found / (found + missed + invented) regions. Two empty
        label maps score 1.
        """
        regions = self.true_regions + self.predicted_regions - self.found
        return np.where(regions > 0, self.found / np.maximum(regions, 1), 1.0)

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """The number of true regions found at IoU 0.50, 0.55 ... 0.95, shape (10,)."""
        good = 100 * self.overlap >= _PERCENT[:, np.newaxis] * self.union
        counts: NDArray[np.int64] = good.sum(axis=1)
        return counts

    def missed(self) -> int:
        """Return the number of true regions without a partner of at least IoU 0.50."""
        return self.true_regions - int(self.found[0])

    def extra(self) -> int:
        """Return the number of predicted regions without a partner of at least IoU 0.50."""
        return self.predicted_regions - int(self.found[0])

    def _mean(self, values: NDArray[np.float64]) -> float:
        regions = max(self.true_regions, self.predicted_regions)
        return float(values.sum() / regions) if regions else 1.0


def match_regions(cells: Contingency) -> Matching:
    """Return the one-to-one matching of regions with the largest sum of IoU.

    A region is all pixels of one id other than 0, even if they are not connected. Regions that
    share no pixel are never matched. Raises `InputError` for thousands of regions on both sides.
    Source: H. W. Kuhn, The Hungarian method, 1955; solved by SciPy.
    """
    true_sizes, predicted_sizes = cells.true_sizes, cells.predicted_sizes
    true_ids = np.flatnonzero(true_sizes[1:]) + 1
    predicted_ids = np.flatnonzero(predicted_sizes[1:]) + 1
    if true_ids.size * predicted_ids.size > _MAX_PAIRS:
        raise InputError(
            f"label maps: {true_ids.size} true and {predicted_ids.size} predicted regions are too"
            " many to match; are these label maps?"
        )
    overlap = np.zeros((true_ids.size, predicted_ids.size), dtype=np.int64)
    inside = (cells.truth != 0) & (cells.prediction != 0)
    rows = np.searchsorted(true_ids, cells.truth[inside])
    columns = np.searchsorted(predicted_ids, cells.prediction[inside])
    overlap[rows, columns] = cells.counts[inside]
    union = true_sizes[true_ids, np.newaxis] + predicted_sizes[predicted_ids] - overlap
    row, column = linear_sum_assignment(overlap / union, maximize=True)
    pairs = overlap[row, column] > 0
    row, column = row[pairs], column[pairs]
    return Matching(
        truth=true_ids[row],
        prediction=predicted_ids[column],
        overlap=overlap[row, column],
        union=union[row, column],
        true_regions=true_ids.size,
        predicted_regions=predicted_ids.size,
    )


class LabelPair:
    """The true and the predicted label map of one slice; counted and matched once for all metrics.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    """

    def __init__(self, truth: Labels, prediction: Labels) -> None:
        self.truth, self.prediction = truth, prediction
        self.cells = contingency(truth, prediction)

    @cached_property
    def matching(self) -> Matching:
        """The best one-to-one matching of the regions."""
        return match_regions(self.cells)
