"""Fleiss' kappa against its definition, and the example of its textbook table."""

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.metrics.kappa import fleiss_kappa

# Ten subjects, fourteen raters, five categories; kappa is 0.210 (J. L. Fleiss, 1971, as it is
# usually worked through).
TABLE = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_the_known_table() -> None:
    ratings = np.array([np.repeat(np.arange(5), row) for row in TABLE])
    assert fleiss_kappa(list(ratings.T)) == pytest.approx(0.210, abs=5e-4)


def test_of_three_raters_of_whole_slices_it_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, (512, 512)).astype(np.uint16)
    raters = [first, *(np.where(rng.random(first.shape) < 0.2, 0, first) for _ in range(2))]
    counts = np.stack([sum(one == label for one in raters) for label in range(3)], axis=-1)
    observed = ((counts * (counts - 1)).sum(axis=-1) / 6).mean()
    expected = ((counts.sum(axis=(0, 1)) / counts.sum()) ** 2).sum()
    assert fleiss_kappa(raters) == pytest.approx((observed - expected) / (1 - expected))


def test_full_agreement_is_one_and_one_rater_is_refused() -> None:
    labels = np.array([[0, 1], [2, 1]], np.uint16)
    assert fleiss_kappa([labels, labels, labels]) == 1
    assert fleiss_kappa([np.zeros((2, 2), np.uint16)] * 2) == 1
    with pytest.raises(InputError, match="two raters or more"):
        fleiss_kappa([labels])
    with pytest.raises(InputError, match="give one size"):
        fleiss_kappa([labels, labels[:1]])
