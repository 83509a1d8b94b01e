"""Weights and shares: what each radiologist reads follows from its precision, to within a slice."""

from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.radiologists.weights import (
    assign_slices,
    read_weights,
    weigh,
    weights_from_precision,
)

_bad = pytest.raises(ValueError, match="finite and not negative")


@pytest.mark.parametrize(
    ("precisions", "expected", "raises"),
    [
        # In proportion.
        ([0.1, 0.3, 0.4], [0.125, 0.375, 0.5], nullcontext()),
        ([0.2], [1.0], nullcontext()),
        # One that finds nothing reads nothing.
        ([0.0, 0.3], [0.0, 1.0], nullcontext()),
        # Near zero is not zero.
        ([1e-300, 3e-300], [0.25, 0.75], nullcontext()),
        ([], [], _bad),
        ([0.5, -0.1], [], _bad),
        ([0.5, float("nan")], [], _bad),
        ([0.5, float("inf")], [], _bad),
    ],
)
def test_weights(
    precisions: list[float], expected: list[float], raises: AbstractContextManager[Any]
) -> None:
    names = [f"r{index}" for index in range(len(precisions))]
    with raises:
        weights = weights_from_precision(dict(zip(names, precisions, strict=True)))
        assert list(weights) == names
        assert list(weights.values()) == pytest.approx(expected)


def test_all_zero_weighs_the_same_and_warns(capsys: pytest.CaptureFixture[str]) -> None:
    assert weights_from_precision({"a": 0.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}
    assert "warning: every radiologist has average precision 0" in capsys.readouterr().err


def test_usual_weights_do_not_warn(capsys: pytest.CaptureFixture[str]) -> None:
    weights_from_precision({"a": 0.0, "b": 0.1})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("slices", "weights", "expected"),
    [
        # Exact shares.
        (10, [0.5, 0.3, 0.2], [5, 3, 2]),
        # The largest remainder: 2.1, 3.5, 1.4 of seven.
        (7, [0.3, 0.5, 0.2], [2, 4, 1]),
        # Equal remainders favour the earlier: a third each.
        (10, [1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        (11, [1 / 3, 1 / 3, 1 / 3], [4, 4, 3]),
        # A remainder that only floating point makes decides nothing: 0.1 + 0.2 + 0.7 of 30.
        (30, [0.1, 0.2, 0.7], [3, 6, 21]),
        (49, [1 / 49] * 49, [1] * 49),
        # Fewer slices than radiologists.
        (1, [0.3, 0.4, 0.3], [0, 1, 0]),
        (0, [0.5, 0.5], [0, 0]),
        # Weight zero reads nothing, and a lone one reads all.
        (5, [0.0, 1.0], [0, 5]),
        (842, [1.0], [842]),
        # The challenge: 1600 slices.
        (1600, [0.31, 0.34, 0.35], [496, 544, 560]),
    ],
)
def test_shares(slices: int, weights: list[float], expected: list[int]) -> None:
    named = {f"r{index}": weight for index, weight in enumerate(weights)}
    parts = assign_slices(range(100, 100 + slices), named, seed=0)
    assert list(parts) == list(named)
    assert [len(part) for part in parts.values()] == expected


def largest_remainder(slices: int, parts: list[int]) -> list[int]:
    """The oracle, in exact fractions."""
    shares = [Fraction(slices * part, sum(parts)) for part in parts]
    counts = [int(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda index: counts[index] - shares[index])
    for index in by_remainder[: slices - sum(counts)]:
        counts[index] += 1
    return counts


_ids = st.lists(st.integers(0, 10**12), unique=True, max_size=200)
_parts = st.lists(st.integers(0, 100), min_size=1, max_size=8).filter(any)


@given(_ids, _parts, st.integers(0, 2**31 - 1), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_every_slice_goes_to_one_radiologist(
    ids: list[int], parts: list[int], seed: int, random: Any
) -> None:
    weights = {f"r{index}": part / sum(parts) for index, part in enumerate(parts)}
    dealt = assign_slices(ids, weights, seed)
    assert list(dealt) == list(weights)
    assert sorted(image_id for part in dealt.values() for image_id in part) == sorted(ids)
    assert all(part == sorted(part) for part in dealt.values())
    counts = [len(part) for part in dealt.values()]
    assert counts == largest_remainder(len(ids), parts)
    assert all(abs(n - w * len(ids)) < 1 for n, w in zip(counts, weights.values(), strict=True))
    # The order in which slices are listed changes nothing.
    shuffled = random.sample(ids, len(ids))
    assert assign_slices(shuffled, weights, seed) == dealt


def test_the_seed_decides_who_reads_what() -> None:
    weights = {"a": 0.5, "b": 0.5}
    first = assign_slices(range(100), weights, seed=0)
    assert first == assign_slices(range(100), weights, seed=0)
    assert first != assign_slices(range(100), weights, seed=1)
    # A shuffle, not a cut: each reads from both ends of the series.
    for part in first.values():
        assert min(part) < 20
        assert max(part) >= 80


def test_weights_are_the_share_of_average_precision(tmp_path: Path) -> None:
    models = {"a": tmp_path / "a", "b": tmp_path / "b"}
    for folder, precision in zip(models.values(), (0.3, 0.1), strict=True):
        described = {"kind": "mask_rcnn", "name": folder.name, "iterations": 1, "detector": {}}
        write_json(folder / "model.json", {**described, "average_precision": {"ap": precision}})
    weigh(models, tmp_path / "weights.json")
    assert read_weights(tmp_path / "weights.json") == pytest.approx({"a": 0.75, "b": 0.25})


@pytest.mark.parametrize(
    "content",
    [[], {}, {"weights": [1]}, {"weights": {"a": "heavy"}}, {"weights": {"a": -0.5}}],
)
def test_damaged_weights_are_refused(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "weights.json", content)
    with pytest.raises(InputError, match=r"weights\.json: .* run train-radiologists again"):
        read_weights(tmp_path / "weights.json")
