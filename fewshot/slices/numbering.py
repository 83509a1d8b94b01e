"""Where slices lie by the numbers in their names."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, in_slice_order, name_a_few

_MOST_SLICES = 100_000
# A minus is a sign at the beginning of a name, or after another sign that parts it: `z_-5`.
_SIGN = r"(?:(?<![A-Za-z\d.)])-)?"
_DECIMAL = re.compile(rf"{_SIGN}(?<![\d.])\d{{1,6}}\.\d{{1,6}}(?![\d.])")
_WHOLE = re.compile(rf"{_SIGN}\d{{1,9}}")
_NEAR = 0.05  # steps by which a place in a name may miss its slice


@dataclass(frozen=True)
class Numbering:
    """Where the names of slices say that they lie.

    Attributes:
        indices: the slice of the volume that each is, from 0.
        start: where the first lies, mm.
        step: from a slice of the volume to the next, mm.
        first: the number in the name of the first, and `by` that from one to the next.
        reading: how the names were understood, in words; empty where they count one by one.
    """

    indices: tuple[int, ...]
    start: float
    step: float
    first: float
    by: float
    reading: str

    def label(self, index: int) -> str:
        """Return the number that a slice of the volume has, or would have, in its name."""
        return f"{self.first + index * self.by:g}"

    @property
    def count(self) -> int:
        """Return the slices from the first to the last, those that are missing included."""
        return max(self.indices, default=-1) + 1

    def gap_note(self, where: str) -> str | None:
        """Return one line about the slices that are missing; None where none is."""
        missing = [one for one in range(self.count) if one not in set(self.indices)]
        return _gap_line([self.label(one) for one in missing], where) if missing else None


def number_slices(names: Sequence[str], slice_mm: float) -> Numbering:
    """Return where slices lie by their names, `slice_mm` from one number to the next.

    The number is the last in a name that tells all slices apart. Numbers with a step that all
    slices share (0, 5, 10) are slices that lie so much farther apart; decimals whose step is
    `slice_mm` are places in mm (`z_2.5.png`). Without numbers the slices count in their order.
    Raises `InputError` where the names can be read in neither way, or numbers lie too far apart.
    """
    ordered = in_slice_order(dict.fromkeys(names))
    found = _numbering(ordered, slice_mm)
    places = dict(zip(ordered, found.indices, strict=True))
    return replace(found, indices=tuple(places[name] for name in names))


def _numbering(names: Sequence[str], slice_mm: float) -> Numbering:
    places = _decimal_places(names)
    decimal = None if places is None else _by_places(places, slice_mm)
    if decimal is not None:
        return decimal
    numbers = _whole_numbers(names, last_only=places is not None)
    if places is not None and numbers is None:
        raise InputError(
            f"names such as {Path(names[0]).name!r} lie {_steps(places)} apart, and --spacing says "
            f"{slice_mm:g} mm from slice to slice; give the same, or number the names"
        )
    if numbers is None and all(re.search(r"\d", image_stem(Path(name).name)) for name in names):
        raise InputError(
            f"no number in the names ({name_a_few(names)}) tells all slices apart and in order; "
            "give the slices of one volume, numbered"
        )
    if numbers is None:
        reading = "names without numbers that tell them apart: slices in the order of their names"
        return Numbering(tuple(range(len(names))), 0.0, slice_mm, 0, 1, reading)
    lowest = min(numbers, default=0)
    by = max(1, math.gcd(*(one - lowest for one in numbers)))
    indices = tuple((one - lowest) // by for one in numbers)
    if max(indices, default=0) >= _MOST_SLICES:
        raise InputError(f"slices are numbered {lowest} to {max(numbers)}; rename")
    reading = f"numbered in steps of {by}: {by * slice_mm:.6g} mm apart" if by > 1 else ""
    return Numbering(indices, lowest * slice_mm, by * slice_mm, lowest, by, reading)


def _whole_numbers(names: Sequence[str], *, last_only: bool) -> list[int] | None:
    """Return the last whole numbers that tell all names, which are in order, apart.

    `last_only`: the names hold decimals, and the whole part of one is no number of its own.
    """
    found = [_WHOLE.findall(image_stem(Path(name).name)) for name in names]
    fewest = min(map(len, found), default=0)
    for place in range(1, min(fewest, 1 if last_only else fewest) + 1):
        numbers = [int(one[-place]) for one in found]
        # Names are in the order of their numbers, but for those below 0.
        if len(set(numbers)) == len(numbers) and (min(numbers) < 0 or numbers == sorted(numbers)):
            return numbers
    return None


def _decimal_places(names: Sequence[str]) -> list[float] | None:
    """Return the last decimals in the names where all have one and they tell the names apart."""
    found = [_DECIMAL.findall(image_stem(Path(name).name)) for name in names]
    if len(names) < 2 or not all(found):
        return None
    places = [float(one[-1]) for one in found]
    return places if len(set(places)) == len(places) else None


def _by_places(places: Sequence[float], slice_mm: float) -> Numbering | None:
    """Return where slices lie whose names say it in mm; None unless the spacing is theirs."""
    lowest = min(places)
    steps = (np.array(places) - lowest) / slice_mm
    indices = np.round(steps).astype(np.int64).tolist()
    whole = np.abs(steps - indices).max() <= _NEAR and len(set(indices)) == len(places)
    by = math.gcd(*indices)
    if not whole or max(indices) // by >= _MOST_SLICES:
        return None
    step = by * slice_mm
    reading = f"names tell places in mm: {step:.6g} mm apart"
    return Numbering(tuple(one // by for one in indices), lowest, step, lowest, step, reading)


def _steps(places: Sequence[float]) -> str:
    steps = np.diff(np.sort(places))
    low, high = steps.min(), steps.max()
    return f"{low:.4g}" if math.isclose(low, high, rel_tol=1e-3) else f"{low:.4g} to {high:.4g}"


def missing_numbers(numbers: Sequence[int]) -> list[int]:
    """Return the numbers that a sequence leaves out, by its own most frequent step.

    The slices 1, 3, 5, 9 leave out 7.
    """
    present = sorted(numbers)
    steps = Counter(np.diff(present).tolist())
    if not steps:
        return []
    step = min(steps, key=lambda one: (-steps[one], one))
    return sorted(set(range(present[0], present[-1], step)) - set(present))


def gap_note(numbers: Sequence[int], where: str) -> str | None:
    """Return one line about the slices a sequence leaves out, None when it leaves out none."""
    missing = missing_numbers(numbers)
    return _gap_line([str(number) for number in missing], where) if missing else None


def _gap_line(missing: Sequence[str], where: str) -> str:
    shown = name_a_few(missing).replace("'", "")
    count = "1 slice is" if len(missing) == 1 else f"{len(missing)} slices are"
    return f"{where}: {count} missing between the first and the last: {shown}"
