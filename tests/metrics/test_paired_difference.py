import numpy as np
import pytest
from scipy import stats

from fewshot.metrics.bootstrap import paired_difference


def named(values: "np.typing.NDArray[np.float64]") -> dict[str, float]:
    return {f"{number}.png": float(value) for number, value in enumerate(values)}


def test_interval_is_about_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    final, control = rng.random(159), rng.random(159)
    expected = stats.ttest_rel(final, control).confidence_interval(0.95)
    interval = paired_difference(named(final), named(control))
    assert interval is not None
    assert interval.mean == pytest.approx(float((final - control).mean()))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.006)
    assert (interval.slices, interval.groups) == (159, None)
    assert interval.extent == "159 slices"


def test_slices_of_one_patient_are_drawn_together() -> None:
    """Ten patients of twelve slices that agree within each patient: as wide as ten slices are."""
    rng = np.random.default_rng(1)
    by_patient = rng.normal(0, 1, 10)
    final = named(np.repeat(by_patient, 12))
    groups = {name: f"p{number // 12}" for number, name in enumerate(final)}
    zeros = dict.fromkeys(final, 0.0)
    alone, together = paired_difference(final, zeros), paired_difference(final, zeros, groups)
    ten = paired_difference(named(by_patient), named(np.zeros(10)))
    assert alone is not None
    assert together is not None
    assert ten is not None
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    assert (together.low, together.high) == pytest.approx((ten.low, ten.high), abs=0.02)
    assert together.extent == "120 slices of 10 patients"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_slices_give_no_interval(count: int) -> None:
    assert paired_difference(named(np.ones(count)), named(np.zeros(count))) is None


def test_few_patients_give_no_interval() -> None:
    final = named(np.ones(9))
    groups = {name: f"p{number % 2}" for number, name in enumerate(final)}
    assert paired_difference(final, dict.fromkeys(final, 0.0), groups) is None
