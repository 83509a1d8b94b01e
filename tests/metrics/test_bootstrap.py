"""Bootstrap intervals: SciPy is the oracle, and whole groups move together."""

import numpy as np
import pytest
from scipy import stats

from fewshot.errors import InputError
from fewshot.metrics.bootstrap import bootstrap_means


def test_interval_is_scipys() -> None:
    values = np.random.default_rng(0).beta(5, 2, (150, 2))
    ours = bootstrap_means(values)
    for column, mean in zip(values.T, ours, strict=True):
        theirs = stats.bootstrap(
            (column,), np.mean, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert mean.mean == pytest.approx(column.mean(), abs=1e-15)
        assert mean.interval == pytest.approx((theirs.low, theirs.high), abs=2e-3)


def test_groups_are_drawn_whole() -> None:
    # Ten patients of ten equal slices each know no more than ten slices.
    rng = np.random.default_rng(0)
    patients = rng.random(10)
    values = patients.repeat(10)[:, np.newaxis]
    by_group = bootstrap_means(values, [f"pt_{i}" for i in np.arange(100) // 10])[0]
    alone = bootstrap_means(patients[:, np.newaxis])[0]
    assert by_group.interval == pytest.approx(alone.interval, abs=1e-12)
    by_slice = bootstrap_means(values)[0]
    assert by_slice.mean == by_group.mean
    assert by_slice.interval is not None
    assert by_group.interval is not None
    assert np.ptp(by_group.interval) > 2.5 * np.ptp(by_slice.interval)


def test_interval_covers_the_true_mean_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(120) // 4
    hits = 0
    for seed in range(300):
        values = rng.normal(size=30).repeat(4) + rng.normal(size=120)
        (mean,) = bootstrap_means(values[:, np.newaxis], list(groups), resamples=500, seed=seed)
        assert mean.interval is not None
        hits += mean.interval[0] <= 0 <= mean.interval[1]
    # Percentile intervals of thirty groups are a little too narrow.
    assert 0.87 < hits / 300 < 0.98


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random((40, 3))
    assert bootstrap_means(values) == bootstrap_means(values)
    assert bootstrap_means(values, seed=1) != bootstrap_means(values)


def test_groups_of_unequal_size_keep_the_plain_mean() -> None:
    values = np.array([[0.0], [1.0], [1.0], [1.0]])
    (mean,) = bootstrap_means(values, ["a", "b", "b", "b"])
    assert mean.mean == 0.75
    assert mean.interval == (0.0, 1.0)


@pytest.mark.parametrize("groups", [None, ["a"]])
def test_one_slice_has_no_interval(groups: list[str] | None) -> None:
    (mean,) = bootstrap_means(np.array([[0.5]]), groups)
    assert (mean.mean, mean.interval) == (0.5, None)
    assert bootstrap_means(np.array([[0.5], [0.7]]), ["a", "a"])[0].interval is None


def test_equal_scores_have_an_interval_of_no_width() -> None:
    (mean,) = bootstrap_means(np.full((7, 1), 0.1))
    assert mean.interval is not None
    assert mean.interval == pytest.approx((0.1, 0.1), abs=1e-15)


def test_nothing_and_missing_groups_are_refused() -> None:
    with pytest.raises(InputError, match="no slice"):
        bootstrap_means(np.zeros((0, 2)))
    with pytest.raises(InputError, match="1 groups for 2 slices"):
        bootstrap_means(np.zeros((2, 2)), ["a"])
