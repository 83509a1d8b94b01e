"""Places of slices from the numbers in their names."""

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
# A minus is a sign at the start of a name or after another separator: `z_-5`.
_SIGN = r"(?:(?<![A-Za-z\d.)])-)?"
_DECIMAL = re.compile(rf"{_SIGN}(?<![\d.])\d{{1,6}}\.\d{{1,6}}(?![\d.])")
_WHOLE = re.compile(rf"{_SIGN}\d{{1,9}}")
_NEAR = 0.05  # steps by which a position in a name may be off


@dataclass(frozen=True)
class Numbering:
    """The places of slices according to their names.

    Attributes:
        indices: index of each in the volume, from 0.
        start: position of the first, mm.
        step: distance of slices in the volume, mm.
        first: the number in the first name, and `by` its increment.
        reading: how the names were understood, in words; empty if they count one by one.
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
        """Return the number of slices from the first to the last, including missing ones."""
        return max(self.indices, default=-1) + 1

    def gap_note(self, where: str) -> str | None:
        """Return a line about the missing slices, or None."""
        missing = [one for one in range(self.count) if one not in set(self.indices)]
        return _gap_line([self.label(one) for one in missing], where) if missing else None


def number_slices(names: Sequence[str], slice_mm: float) -> Numbering:
    """Return the places of slices from their names, `slice_mm` from one number to the next.

    The number is the last one in the names that is distinct for all slices. Numbers with a common
    step (0, 5, 10) are slices at that multiple of the distance; decimals with a step of `slice_mm`
    are positions in mm (`z_2.5.png`). Without numbers the slices count in order.
    Raises `InputError` if the names are ambiguous, or the numbers too far apart.
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
    """Return the last integers that are distinct in all names, which are in order.

    `last_only`: the names contain decimals, whose integer part is not a number by itself.
    """
    found = [_WHOLE.findall(image_stem(Path(name).name)) for name in names]
    fewest = min(map(len, found), default=0)
    for place in range(1, min(fewest, 1 if last_only else fewest) + 1):
        numbers = [int(one[-place]) for one in found]
        # Names are in the order of their numbers, except for negative ones.
        if len(set(numbers)) == len(numbers) and (min(numbers) < 0 or numbers == sorted(numbers)):
            return numbers
    return None


def _decimal_places(names: Sequence[str]) -> list[float] | None:
    """Return the last decimals in the names if all names have one and they are distinct."""
    found = [_DECIMAL.findall(image_stem(Path(name).name)) for name in names]
    if len(names) < 2 or not all(found):
        return None
    places = [float(one[-1]) for one in found]
    return places if len(set(places)) == len(places) else None


def _by_places(places: Sequence[float], slice_mm: float) -> Numbering | None:
    """Return the places from names with positions in mm; None unless the spacing fits."""
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
    """Return the numbers missing in a sequence, by its most frequent step.

    In 1, 3, 5, 9 it is 7.
    """
    present = sorted(numbers)
    steps = Counter(np.diff(present).tolist())
    if not steps:
        return []
    step = min(steps, key=lambda one: (-steps[one], one))
    return sorted(set(range(present[0], present[-1], step)) - set(present))


def gap_note(numbers: Sequence[int], where: str) -> str | None:
    """Return a line about the missing slices of a sequence, or None."""
    missing = missing_numbers(numbers)
    return _gap_line([str(number) for number in missing], where) if missing else None


def _gap_line(missing: Sequence[str], where: str) -> str:
    shown = name_a_few(missing).replace("'", "")
    count = "1 slice is" if len(missing) == 1 else f"{len(missing)} slices are"
    return f"{where}: {count} missing between the first and the last: {shown}"
