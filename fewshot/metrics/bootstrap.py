"""Means with bootstrap intervals, resampled by group so that one patient's slices stay together."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95
_FEWEST = 3  # slices, or patients, below which a difference's interval says nothing
# Draws are made in blocks of about this many numbers (32 MB).
_BLOCK = 1 << 22


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its 95 % bootstrap interval, (low, high), or None for fewer than two groups."""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """A mean paired difference with its 95 % bootstrap interval, and over how many slices.

    `groups` is the number of patients that were drawn as wholes; None where slices were drawn.
    """

    mean: float
    low: float
    high: float
    slices: int
    groups: int | None = None

    @property
    def holds_zero(self) -> bool:
        """Whether no difference at all is among the plausible ones."""
        return self.low <= 0 <= self.high

    @property
    def extent(self) -> str:
        """What it was taken over, in words."""
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

    `values` has shape (slices, metrics). `groups` names the patient of each slice; without it each
    slice is resampled by itself, and as slices of one patient resemble each other the interval is
    then too narrow. Groups are drawn with replacement, as many as there are, and all slices drawn
    count alike. All columns share the draws; the same seed gives the same interval.

    Raises `InputError` when there is no slice, or not one group a slice.
    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; drawing
    whole groups: C. A. Field and A. H. Welsh, JRSS B 69 (2007).
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
    # Rounding in the resampled sums may pass a mean that no resampling changes.
    low, high = np.minimum(low, means), np.maximum(high, means)
    return [
        MeanInterval(mean, (least, most))
        for mean, least, most in zip(means.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def paired_difference(
    ours: Mapping[str, float], theirs: Mapping[str, float], groups: Mapping[str, str] | None = None
) -> PairedDifference | None:
    """Return the interval of the mean of ours minus theirs, over the images that both have.

    None for fewer than three slices, or fewer than three patients where `groups` names those of
    all images. Without groups the slices are drawn one by one, and as slices of one patient
    resemble each other the true interval is then rather wider.
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
    """Return the sums of the values, shape (groups, metrics), and the slices of each group."""
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
        # How often each group is drawn, which is all that a mean needs.
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
