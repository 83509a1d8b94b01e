from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fewshot.errors import InputError
from fewshot.report.paired import control_interval, paired_interval

HEADER = "part,model,tuned_for,image,ari_foreground,ari_all\n"


@pytest.mark.parametrize("count", [3, 24, 159])
def test_interval_is_that_of_the_paired_t_test(count: int) -> None:
    rng = np.random.default_rng(count)
    final, control = rng.random(count), rng.random(count)
    expected = stats.ttest_rel(final, control).confidence_interval(0.95)
    interval = paired_interval((final - control).tolist())
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.slices == count


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.2]])
def test_few_slices_give_no_interval(differences: list[float]) -> None:
    assert paired_interval(differences) is None


def test_differences_are_paired_by_image_part_and_tuning(tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    rows = [
        *[f"test,final,all,{i}.png,0.9,{0.5 + i / 10}" for i in range(4)],
        *[f"test,control,all,{i}.png,0.9,{0.4 + i / 10}" for i in (3, 2, 1, 0)],
        "validation,final,all,0.png,0.9,0.9",
        "test,final,foreground,0.png,0.9,0.9",
        "test,watershed,,0.png,0.9,0.9",
        "test,final,all,only-here.png,0.9,0.9",
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    interval = control_interval(path, "test", "all")
    assert interval is not None
    assert interval.slices == 4
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1))
    assert not interval.holds_zero
    assert control_interval(path, "validation", "all") is None


def test_missing_table_gives_no_interval(tmp_path: Path) -> None:
    assert control_interval(tmp_path / "none.csv", "test", "all") is None


@pytest.mark.parametrize(
    "text", ["a\n1\n", HEADER + "test,final,all,0.png,0.1,high\n", HEADER + "test\n"]
)
def test_other_tables_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    path.write_text(text)
    if text.endswith("test\n"):
        assert control_interval(path, "test", "all") is None
    else:
        with pytest.raises(InputError, match=r"per_image.csv: is no table of scores"):
            control_interval(path, "test", "all")
