"""How two label maps overlap: the pixel counts behind every metric."""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.arrays import Labels

# Ordinary label maps give a small dense table; above these bounds (16-bit ids, 8 MB of counts)
# only the ids and cells that occur are kept.
_DENSE_LABELS = 1 << 16
_DENSE_CELLS = 1 << 20
# Counting runs of equal pixels pays from this mean length on, as in any label map.
_MEAN_RUN = 8

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contingency:
    """The pairs of true and predicted ids that occur in a slice, and their numbers of pixels.

    `truth`, `prediction`, `counts`: (cells,) int64, in order of the true id. Ids count up from 0,
    the background; the others keep their order but not their value, and some may not occur.
    `true_sizes`, `predicted_sizes`: the pixels of each id, (ids,) int64.
    """

    truth: Counts
    prediction: Counts
    counts: Counts
    true_sizes: Counts
    predicted_sizes: Counts

    def foreground(self) -> "Contingency":
        """Return the counts of the pixels whose true id is not 0."""
        first = int(np.searchsorted(self.truth, 1))
        background = _sums(self.prediction[:first], self.counts[:first], self.predicted_sizes.size)
        true_sizes = self.true_sizes.copy()
        true_sizes[0] = 0
        return Contingency(
            self.truth[first:],
            self.prediction[first:],
            self.counts[first:],
            true_sizes,
            self.predicted_sizes - background,
        )

    def pixels(self) -> int:
        """Return the number of pixels."""
        return int(self.true_sizes.sum())


def contingency(truth: Labels, prediction: Labels) -> Contingency:
    """Return how two label maps of the same shape overlap, in exact integers.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"label maps: the truth has shape {truth.shape} and the prediction {prediction.shape};"
            " give both the same size"
        )
    true_codes, true_count = _codes(truth.ravel(), "truth")
    predicted_codes, predicted_count = _codes(prediction.ravel(), "prediction")
    cells = true_count * predicted_count
    if cells <= _DENSE_LABELS:
        # Two bytes a pixel, and most pixels equal the one before them.
        pairs = np.multiply(true_codes, predicted_count, dtype=np.uint16, casting="unsafe")
        np.add(pairs, predicted_codes, out=pairs, casting="unsafe")
        return _of_table(_count_runs(pairs, cells).reshape(true_count, predicted_count))
    wide = np.multiply(true_codes, predicted_count, dtype=np.int64)
    wide += predicted_codes
    if cells <= _DENSE_CELLS:
        table = np.bincount(wide, minlength=cells).reshape(true_count, predicted_count)
        return _of_table(table)
    found, counts = np.unique(wide, return_counts=True)
    return Contingency(
        *np.divmod(found, predicted_count),
        counts,
        np.bincount(true_codes, minlength=true_count),
        np.bincount(predicted_codes, minlength=predicted_count),
    )


def _of_table(table: Counts) -> Contingency:
    truth, prediction = np.nonzero(table)
    counts = table[truth, prediction]
    return Contingency(truth, prediction, counts, table.sum(axis=1), table.sum(axis=0))


def _count_runs(values: NDArray[np.uint16], bound: int) -> Counts:
    """Return how often each value below `bound` occurs; fast where neighbours are equal."""
    ends = np.flatnonzero(values[1:] != values[:-1])
    if (ends.size + 1) * _MEAN_RUN > values.size:
        return np.bincount(values, minlength=bound)
    ends = np.append(ends, values.size - 1)
    lengths = np.diff(ends, prepend=-1)
    return _sums(values[ends], lengths, bound)


def _codes(labels: Labels, name: str) -> tuple[Labels, int]:
    """Return labels and a bound above them; large ids are renumbered, 0 stays 0."""
    if labels.dtype.kind not in "biu":
        raise InputError(f"label maps: the {name} holds {labels.dtype}; give integer ids")
    if labels.size == 0:
        return labels, 1
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise InputError(f"label maps: the {name} holds negative ids; give ids from 0 up")
    largest = int(labels.max())
    if largest < _DENSE_LABELS:
        return labels.astype(np.int64) if labels.dtype == np.uint64 else labels, largest + 1
    values, codes = np.unique(labels, return_inverse=True)
    codes += values[0] != 0
    return codes, values.size + int(values[0] != 0)


def _sums(index: NDArray[np.integer[Any]], counts: Counts, bound: int) -> Counts:
    """Return the sum of `counts` at each index below `bound`; exact below 2**53."""
    return np.bincount(index, weights=counts, minlength=bound).astype(np.int64)


@dataclass(frozen=True)
class ForegroundCounts:
    """The foreground pixels that truth and prediction share, and those of each; counts add up."""

    common: int = 0
    truth: int = 0
    prediction: int = 0

    @classmethod
    def of(cls, truth: NDArray[Any], prediction: NDArray[Any]) -> Self:
        """Count two arrays of the same shape; all values but 0 are foreground."""
        inside, found = truth != 0, prediction != 0
        both, true, predicted = (np.count_nonzero(one) for one in (inside & found, inside, found))
        return cls(int(both), int(true), int(predicted))

    def __add__(self, other: "ForegroundCounts") -> "ForegroundCounts":
        return ForegroundCounts(
            self.common + other.common,
            self.truth + other.truth,
            self.prediction + other.prediction,
        )

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; 1 where neither has foreground."""
        union = self.truth + self.prediction - self.common
        return self.common / union if union else 1.0

    @property
    def dice(self) -> float:
        """The Dice coefficient, 0 to 1; 1 where neither has foreground."""
        pixels = self.truth + self.prediction
        return 2 * self.common / pixels if pixels else 1.0
