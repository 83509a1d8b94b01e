"""Adjusted Rand: scikit-learn is the oracle, at the sizes that users have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import adjusted_rand_score

from fewshot.errors import InputError
from fewshot.metrics.rand import RandScore, adjusted_rand, score_slice

Labels = NDArray[Any]
Pair = tuple[Labels, Labels]


def regions(size: int, count: int, seed: int) -> NDArray[np.uint8]:
    """Return blobs of `count` ids on background 0, like organs in a slice."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(size, size)), size / 40)
    ranks = smooth.argsort(axis=None).argsort().reshape(size, size)
    ids = (ranks * (count + 1) // ranks.size).astype(np.uint8)
    return np.where(smooth < np.median(smooth), 0, ids).astype(np.uint8)


def noisy(size: int, count: int, dtype: type[np.integer[Any]], kept: float = 0.7) -> Pair:
    rng = np.random.default_rng(count)
    truth = rng.integers(0, count, (size, size))
    other = rng.integers(0, count, (size, size))
    return truth.astype(dtype), np.where(rng.random((size, size)) < kept, truth, other).astype(
        dtype
    )


def constant(size: int, value: int = 0) -> Labels:
    return np.full((size, size), value, dtype=np.uint8)


def halves(size: int) -> Labels:
    label_map = constant(size, 1)
    label_map[: size // 2] = 2
    return label_map


def one_pixel(size: int) -> Labels:
    label_map = constant(size)
    label_map[3, 5] = 1
    return label_map


def every_pixel(size: int) -> Labels:
    return np.arange(size * size, dtype=np.int64).reshape(size, size)


PAIRS: dict[str, Callable[[int], Pair]] = {
    "blobs, 18 regions": lambda size: (regions(size, 18, 0), regions(size, 18, 1)),
    "blobs, shifted": lambda size: (regions(size, 6, 0), np.roll(regions(size, 6, 0), 7, axis=1)),
    "noise, 2 ids": lambda size: noisy(size, 2, np.uint8),
    "noise, 255 ids": lambda size: noisy(size, 255, np.uint8),
    "unrelated noise": lambda size: noisy(size, 20, np.uint8, kept=0.0),
    "ids above 255": lambda size: noisy(size, 3000, np.uint16),
    "ids above 65535": lambda size: noisy(size, 100_000, np.uint32),
    "ids near 2**63": lambda size: (
        regions(size, 5, 0).astype(np.uint64) * np.uint64(3 * 10**18),
        regions(size, 5, 1),
    ),
    "signed ids": lambda size: noisy(size, 50, np.int16),
    "bool against ids": lambda size: (regions(size, 4, 0) > 0, regions(size, 4, 1)),
    "one id each": lambda size: (constant(size, 7), constant(size, 3)),
    "all background": lambda size: (constant(size), constant(size)),
    "nothing predicted": lambda size: (regions(size, 5, 0), constant(size)),
    "predicted on an empty slice": lambda size: (constant(size), regions(size, 5, 0)),
    "one true region as two": lambda size: (constant(size, 1), halves(size)),
    "two true regions as one": lambda size: (halves(size), constant(size, 1)),
    "one pixel predicted on an empty slice": lambda size: (constant(size), one_pixel(size)),
    "one true pixel": lambda size: (one_pixel(size), regions(size, 5, 0)),
    "every pixel its own region, twice": lambda size: (every_pixel(size), every_pixel(size).T),
    "every pixel its own region, against blobs": lambda size: (
        every_pixel(size),
        regions(size, 5, 0),
    ),
    "ids renamed": lambda size: (regions(size, 9, 0), 9 - regions(size, 9, 0)),
}


@pytest.mark.parametrize(
    ("name", "size"),
    # scikit-learn takes seconds for a million regions.
    [(name, size) for name in PAIRS for size in (512, 1024) if "every" not in name or size == 512],
)
def test_agrees_with_scikit_learn(name: str, size: int) -> None:
    truth, prediction = PAIRS[name](size)
    foreground = truth != 0

    score = score_slice(truth, prediction)

    everywhere = adjusted_rand_score(truth.ravel(), prediction.ravel())
    assert score.all_pixels == pytest.approx(everywhere, abs=1e-12)
    labelled = adjusted_rand_score(truth[foreground], prediction[foreground])
    assert score.foreground == pytest.approx(labelled, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "prediction", "all_pixels", "foreground"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], 1.0, 1.0),  # both empty
        ([0, 0, 0, 0], [0, 1, 0, 0], 0.0, 1.0),  # no true label: nothing to get wrong in front
        ([1, 1, 1, 1], [5, 5, 5, 5], 1.0, 1.0),  # one region as one
        ([1, 1, 1, 1], [1, 1, 2, 2], 0.0, 0.0),  # one region as two
        ([1, 1, 2, 2], [0, 0, 0, 0], 0.0, 0.0),  # nothing predicted
        ([0, 1, 1, 2], [3, 1, 1, 2], 1.0, 1.0),  # ids do not matter
        ([0, 0, 1, 2], [1, 2, 1, 2], -2 / 7, 1.0),  # wrong on the background alone
        ([0, 0, 1, 1], [1, 2, 1, 2], -0.5, 0.0),  # every pair wrong: the lowest value there is
        ([9], [4], 1.0, 1.0),  # one pixel
        ([], [], 1.0, 1.0),  # no pixel
    ],
)
def test_edge_cases(
    truth: list[int], prediction: list[int], all_pixels: float, foreground: float
) -> None:
    score = score_slice(np.array(truth, dtype=np.uint8), np.array(prediction, dtype=np.uint8))

    assert score == RandScore(foreground=foreground, all_pixels=all_pixels)


def test_layout_of_the_arrays_does_not_matter() -> None:
    truth, prediction = regions(64, 5, 0), regions(64, 5, 1)
    expected = adjusted_rand(truth, prediction, foreground=True)

    assert adjusted_rand(np.asfortranarray(truth), prediction, foreground=True) == expected
    assert adjusted_rand(truth[::-1], prediction[::-1], foreground=True) == expected


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), "same size"),
        (np.array([1, -1]), np.array([1, 1]), "truth holds negative ids"),
        (np.array([1, 1]), np.array([1, -1]), "prediction holds negative ids"),
        (np.array([1.0, 2.0]), np.array([1, 2]), "truth holds float64"),
    ],
)
def test_refuses_what_is_no_label_map(truth: Labels, prediction: Labels, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adjusted_rand(truth, prediction, foreground=False)
