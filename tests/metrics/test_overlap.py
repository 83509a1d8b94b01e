"""Matching of regions: brute force and scikit-learn are the oracles."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import cohen_kappa_score, jaccard_score

from fewshot.errors import InputError
from fewshot.metrics.contingency import contingency
from fewshot.metrics.kappa import cohen_kappa
from fewshot.metrics.overlap import match_regions
from fewshot.metrics.slice_metrics import METRICS, empty_slice_scores, score_label_maps

LabelMap = NDArray[np.uint8]


def regions(seed: int, size: int, count: int) -> LabelMap:
    """Return blobs of `count` ids on background 0."""
    smooth = ndimage.gaussian_filter(
        np.random.default_rng(seed).normal(size=(size, size)), size / 30
    )
    ranks = smooth.argsort(axis=None).argsort().reshape(size, size)
    return np.where(smooth < 0, 0, ranks * (count + 1) // ranks.size).astype(np.uint8)


def brute_force(truth: LabelMap, prediction: LabelMap) -> tuple[float, float]:
    """Return mean IoU and Dice of the best of all one-to-one matchings."""
    a = [truth == label for label in np.unique(truth) if label]
    b = [prediction == label for label in np.unique(prediction) if label]
    if len(a) > len(b):
        a, b = b, a
    iou = np.array([[(x & y).sum() / (x | y).sum() for y in b] for x in a])
    dice = np.array([[2 * (x & y).sum() / (x.sum() + y.sum()) for y in b] for x in a])
    rows = np.arange(len(a))
    best = max(permutations(range(len(b)), len(a)), key=lambda order: iou[rows, order].sum())
    return iou[rows, best].sum() / len(b), dice[rows, best].sum() / len(b)


@pytest.mark.parametrize(("true", "predicted"), [(5, 5), (3, 6), (6, 2), (1, 1)])
def test_best_matching_at_real_size(true: int, predicted: int) -> None:
    truth, prediction = regions(0, 512, true), regions(1, 512, predicted)
    matching = match_regions(contingency(truth, prediction))
    iou, dice = brute_force(truth, prediction)
    assert matching.iou() == pytest.approx(iou, abs=1e-12)
    assert matching.dice() == pytest.approx(dice, abs=1e-12)
    for a, b, overlap, union in zip(
        matching.truth, matching.prediction, matching.overlap, matching.union, strict=True
    ):
        # Ids stand for themselves where all from 0 up occur.
        assert overlap == ((truth == a) & (prediction == b)).sum()
        assert overlap / union == pytest.approx(
            jaccard_score((truth == a).ravel(), (prediction == b).ravel())
        )


@pytest.mark.parametrize(
    ("truth", "prediction", "iou", "dice", "ap50", "missed_extra"),
    [
        ([0, 0], [0, 0], 1, 1, 1, (0, 0)),  # both empty
        ([0, 0], [0, 3], 0, 0, 0, (0, 1)),  # invented
        ([7, 0], [0, 0], 0, 0, 0, (1, 0)),  # missed
        ([7, 9], [9, 7], 1, 1, 1, (0, 0)),  # ids do not matter
        ([1, 0], [0, 1], 0, 0, 0, (1, 1)),  # beside each other
        ([1, 1, 0, 0], [1, 1, 2, 0], 0.5, 0.5, 0.5, (0, 1)),  # one region too many
        ([1, 1, 2, 2], [1, 1, 1, 1], 0.25, 1 / 3, 0.5, (1, 0)),  # two as one, of IoU just 0.5
        ([1, 1, 1, 1], [1, 1, 1, 2], 0.375, 3 / 7, 0.5, (0, 1)),  # one as two
        # One region in two: it belongs to either, and the other takes what is left.
        ([1] * 4 + [2] * 4, [3] + [4] * 6 + [5], (3 / 7 + 1 / 4) / 3, 1 / 3, 0, (2, 3)),
    ],
)
def test_edge_cases(
    truth: list[int],
    prediction: list[int],
    iou: float,
    dice: float,
    ap50: float,
    missed_extra: tuple[int, int],
) -> None:
    matching = match_regions(contingency(np.array(truth), np.array(prediction)))
    assert matching.iou() == pytest.approx(iou)
    assert matching.dice() == pytest.approx(dice)
    assert matching.precision()[0] == pytest.approx(ap50)
    assert (matching.missed(), matching.extra()) == missed_extra


def test_precision_is_found_over_all_regions() -> None:
    # 20 pixels each: IoU 1, 16/24 = 0.667, and nothing; one region invented.
    truth = np.repeat([1, 2, 3, 0], 20)
    prediction = np.concatenate([np.repeat(5, 20), np.zeros(4), np.repeat(6, 20), np.zeros(36)])
    prediction[-3:] = 9
    matching = match_regions(contingency(truth, prediction.astype(np.int64)))
    # Found 2 of 4 regions in all (one of them invented) up to IoU 0.65, then 1 of 5.
    assert matching.precision() == pytest.approx([2 / 4] * 4 + [1 / 5] * 6)


def test_thousands_of_regions_are_refused() -> None:
    every = np.arange(1, 5001)
    with pytest.raises(InputError, match="5000 true and 5000 predicted regions are too many"):
        match_regions(contingency(every, every))


@pytest.mark.parametrize("size", [512, 1024])
def test_kappa_is_scikit_learns(size: int) -> None:
    a, b = regions(0, size, 6), regions(1, size, 4)
    theirs = cohen_kappa_score(a.ravel() > 0, b.ravel() > 0)
    assert cohen_kappa(a, b, regions=False) == pytest.approx(theirs, abs=1e-12)
    # Regions: matched ones share a category, the others have their own.
    matching = match_regions(contingency(a, b))
    renamed = np.where(b > 0, b.astype(int) + 100, 0)
    for true, predicted in zip(matching.truth, matching.prediction, strict=True):
        renamed[b == predicted] = true
    theirs = cohen_kappa_score(a.ravel(), renamed.ravel())
    assert cohen_kappa(a, b, regions=True) == pytest.approx(theirs, abs=1e-12)
    for kind in (False, True):
        assert cohen_kappa(b, a, regions=kind) == cohen_kappa(a, b, regions=kind)


@pytest.mark.parametrize(
    ("a", "b", "foreground", "by_region"),
    [
        ([0, 0], [0, 0], 1, 1),  # chance alone: undefined, and 1 here
        ([1, 1], [2, 2], 1, 1),
        ([0, 0], [0, 1], 0, 0),
        ([0, 1], [1, 0], -1, -1 / 3),  # beside each other
        ([1, 1, 2, 2], [1, 1, 1, 1], 1, 0),  # the same tissue, divided otherwise
    ],
)
def test_kappa_edge_cases(a: list[int], b: list[int], foreground: float, by_region: float) -> None:
    assert cohen_kappa(np.array(a), np.array(b), regions=False) == pytest.approx(foreground)
    assert cohen_kappa(np.array(a), np.array(b), regions=True) == pytest.approx(by_region)


def test_a_label_map_scores_one_against_itself() -> None:
    label_map = regions(2, 512, 18)
    same = score_label_maps(label_map, np.where(label_map == 0, 0, 200 - label_map))
    assert same["true_regions"] == same["predicted_regions"] == np.unique(label_map).size - 1
    best = {True: 1.0, False: 0.0}
    for name, metric in METRICS.items():
        if metric.higher_is_better is not None:
            assert same[name] == best[metric.higher_is_better], name


def test_what_an_empty_slice_scores() -> None:
    scores = empty_slice_scores()
    nothing, region = scores["nothing_predicted"], scores["region_predicted"]
    assert {nothing[name] for name, one in METRICS.items() if one.higher_is_better} == {1.0}
    assert (nothing["missed"], nothing["extra"]) == (0, 0)
    assert (region["missed"], region["extra"], region["ari_foreground"]) == (0, 1, 1.0)
    assert (region["ari_all"], region["dice"], region["kappa"]) == (0, 0, 0)
