"""Means with bootstrap intervals, resampled by group so that one patient's slices stay together."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95
_FEWEST = 3  # slices or patients; an interval over fewer means nothing
# Random numbers drawn at a time (32 MB).
_BLOCK = 1 << 22


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its 95 % bootstrap interval, (low, high), or None for fewer than two groups."""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """A mean paired difference, its 95 % bootstrap interval, and the number of slices.

    `groups` is the number of patients that were resampled; None if slices were resampled.
    """

    mean: float
    low: float
    high: float
    slices: int
    groups: int | None = None

    @property
    def contains_zero(self) -> bool:
        """Whether the interval contains 0, so that the difference may be chance."""
        return self.low <= 0 <= self.high

    @property
    def extent(self) -> str:
        """The numbers of slices and patients, in words."""
        patients = "" if self.groups is None else f" of {self.groups} patients"
        return f"{self.slices} slices{patients}"


def bootstrap_means(
    values: NDArray[np.float64],
    groups: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[MeanInterval]:
    """Return the mean of each column and its 95 % percentile bootstrap interval.

    `values` has shape (slices, metrics). `groups` names the patient of each slice; without it
    slices are resampled one by one, and the interval is too narrow because slices of one patient
    resemble each other. Every drawn slice has the same weight, all columns share the draws, and the
    same seed gives the same interval.

    Raises `InputError` when there is no slice, or when `groups` has another length.
    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; for
    resampling groups: C. A. Field and A. H. Welsh, JRSS B 69 (2007).
    """
    if len(values) == 0:
        raise InputError("bootstrap: there is no slice to average; give at least one")
    if groups is not None and len(groups) != len(values):
        raise InputError(f"bootstrap: {len(groups)} groups for {len(values)} slices")
    means = values.mean(axis=0)
    sums, counts = _by_group(values, groups)
    if len(counts) < 2:
        return [MeanInterval(float(mean), None) for mean in means]
    draws = _resampled_means(sums, counts, resamples, np.random.default_rng(seed))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    # Rounding of the resampled sums must not push the mean out of its interval.
    low, high = np.minimum(low, means), np.maximum(high, means)
    return [
        MeanInterval(mean, (least, most))
        for mean, least, most in zip(means.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def paired_difference(
    ours: Mapping[str, float], theirs: Mapping[str, float], groups: Mapping[str, str] | None = None
) -> PairedDifference | None:
    """Return the mean of ours minus theirs with its interval, over the images that both have.

    Patients are resampled if `groups` names those of all images, slices otherwise. None for fewer
    than three of them.
    """
    common = [name for name in ours if name in theirs]
    patients = _groups_of(common, groups)
    count = len(common) if patients is None else len(set(patients))
    if count < _FEWEST:
        return None
    differences = np.array([[ours[name] - theirs[name]] for name in common])
    (found,) = bootstrap_means(differences, patients)
    if found.interval is None:
        return None
    low, high = found.interval
    return PairedDifference(found.mean, low, high, len(common), None if patients is None else count)


def _by_group(
    values: NDArray[np.float64], groups: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of each group's values, (groups, metrics), and its number of slices."""
    if groups is None:
        return values, np.ones(len(values))
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    index = np.array([numbers[group] for group in groups])
    sums = np.zeros((len(numbers), values.shape[1]))
    np.add.at(sums, index, values)
    return sums, np.bincount(index).astype(np.float64)


def _resampled_means(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the means of resampled groups, shape (resamples, metrics)."""
    groups = len(counts)
    means = []
    block = max(1, _BLOCK // groups)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        # A mean only needs how often each group was drawn.
        rows = np.arange(size)[:, np.newaxis] * groups
        drawn = np.bincount(
            (rng.integers(0, groups, (size, groups)) + rows).ravel(), minlength=size * groups
        ).reshape(size, groups)
        means.append((drawn @ sums) / (drawn @ counts)[:, np.newaxis])
    return np.concatenate(means)


def _groups_of(names: Sequence[str], groups: Mapping[str, str] | None) -> list[str] | None:
    if groups is None or not all(name in groups for name in names):
        return None
    return [groups[name] for name in names]
