import math

import pytest

from fewshot.metrics.slice_metrics import decimals
from fewshot.report.wording import duration, fraction, role


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.1234, False, "0.123"),
        (-0.5, False, "\u22120.500"),
        (0.25, True, "+0.250"),
        (-0.25, True, "\u22120.250"),
        (math.nan, False, "–"),
    ],
)
def test_decimals(value: float, signed: bool, text: str) -> None:
    assert decimals(value, signed=signed) == text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.3, "0.000"), (0.25, "0.250"), (1.2, "1.000"), (math.nan, "0")]
)
def test_bars_stay_in_their_cell(value: float, text: str) -> None:
    assert fraction(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (725, "12 min 5 s"),
        (3599.6, "1 h 0 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_twin_is_no_radiologist() -> None:
    assert role("control-net") == "as net, without unlabelled slices"
    assert role("net") == "radiologist"
