from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fewshot.errors import InputError
from fewshot.report.paired_differences import differences_to_final, paired_interval, read_scores

HEADER = "part,model,tuned_for,image,ari_foreground,ari_all\n"


def named(values: "np.typing.NDArray[np.float64]") -> dict[str, float]:
    return {f"{number}.png": float(value) for number, value in enumerate(values)}


def test_interval_is_about_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    final, control = rng.random(159), rng.random(159)
    expected = stats.ttest_rel(final, control).confidence_interval(0.95)
    interval = paired_interval(named(final), named(control))
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
    alone, together = paired_interval(final, zeros), paired_interval(final, zeros, groups)
    ten = paired_interval(named(by_patient), named(np.zeros(10)))
    assert alone is not None
    assert together is not None
    assert ten is not None
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    assert (together.low, together.high) == pytest.approx((ten.low, ten.high), abs=0.02)
    assert together.extent == "120 slices of 10 patients"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_slices_give_no_interval(count: int) -> None:
    assert paired_interval(named(np.ones(count)), named(np.zeros(count))) is None


def test_few_patients_give_no_interval() -> None:
    final = named(np.ones(9))
    groups = {name: f"p{number % 2}" for number, name in enumerate(final)}
    assert paired_interval(final, dict.fromkeys(final, 0.0), groups) is None


def test_differences_are_paired_by_image_part_and_tuning(tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    rows = [
        *[f"test,final,all,{i}.png,0.9,{0.5 + i / 10}" for i in range(4)],
        *[f"test,control,all,{i}.png,0.9,{0.4 + i / 10}" for i in (3, 2, 1, 0)],
        *[f"test,watershed,,{i}.png,0.9,{0.1 + i / 10}" for i in range(4)],
        "validation,final,all,0.png,0.9,0.9",
        "test,final,foreground,0.png,0.9,0.9",
        "test,final,all,only-here.png,0.9,0.9",
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    found = differences_to_final(read_scores(path, "test"))
    assert set(found) == {"control", "watershed"}
    assert set(found["control"]) == set(found["watershed"]) == {"all"}
    interval = found["control"]["all"]
    assert interval.slices == 4
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.1, 0.1, 0.1))
    assert not interval.holds_zero
    assert found["watershed"]["all"].mean == pytest.approx(0.4)
    assert differences_to_final(read_scores(path, "validation")) == {}


def test_missing_table_gives_no_interval(tmp_path: Path) -> None:
    assert read_scores(tmp_path / "none.csv", "test") == {}
    assert differences_to_final({}) == {}


@pytest.mark.parametrize(
    "text", ["a\n1\n", HEADER + "test,final,all,0.png,0.1,high\n", HEADER + "test,final,all\n"]
)
def test_other_tables_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"per_image.csv: is no table of scores by image"):
        read_scores(path, "test")
