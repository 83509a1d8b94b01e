"""Means with bootstrap intervals, resampled by group so that one patient's slices stay together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95
# Draws are made in blocks of about this many numbers (32 MB).
_BLOCK = 1 << 22


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its 95 % bootstrap interval, (low, high), or None for fewer than two groups."""

    mean: float
    interval: tuple[float, float] | None


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
