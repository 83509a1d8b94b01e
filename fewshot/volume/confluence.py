"""Cutting structures where branches meet their trunk, and numbering structures by size.

Where two vessels with labels of their own flow into a third, the trunk looks like the continuation
of one of them on every single slice. But labels that join end to end taper towards each other, and
the other branch ends there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.masks.predicted import MAX_STRUCTURE

Numbers = NDArray[np.int32]

_FLANK = 2  # slices on either side within which a waist must widen
_COMPANION = 0.3  # of the flank's area: least size of the structure next to it


@dataclass(frozen=True)
class _Waist:
    """A possible cut after slice `index`; `flank` is the area on the thinner side."""

    number: int
    index: int
    flank: int


def cut_at_confluences(numbers: Numbers, waist: float) -> Numbers:
    """Return structures (slices, height, width) cut where others end or begin next to a waist.

    A waist is a pair of slices, one of which has at most the fraction `waist` of the area that the
    structure reaches within two slices on both sides. The upper part gets a new number.
    """
    areas = _areas(numbers)
    ends = _ends(areas)
    cut = numbers.copy()
    following = int(numbers.max(initial=0))
    for number in range(1, len(areas)):
        for one in _waists(number, areas[number], waist):
            if _companion(numbers, areas, ends, one):
                following += 1
                upper = cut[one.index + 1 :]
                upper[numbers[one.index + 1 :] == number] = following
    return cut


def by_size(numbers: Numbers) -> NDArray[np.uint16]:
    """Return structures numbered from 1, the largest first.

    Raises `InputError` for more than NIfTI tools can read.
    """
    sizes = np.bincount(numbers.ravel(), minlength=1)
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    if order.size > MAX_STRUCTURE:
        raise InputError(f"{order.size} structures, of at most {MAX_STRUCTURE}; are these masks?")
    names = np.zeros(sizes.size, dtype=np.uint16)
    names[order] = np.arange(1, order.size + 1)
    return names[numbers]


def _areas(numbers: Numbers) -> NDArray[np.int64]:
    """Return the pixels of each structure on each slice, shape (structures + 1, slices)."""
    count = int(numbers.max(initial=0)) + 1
    columns = [np.bincount(section.ravel(), minlength=count) for section in numbers]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0), dtype=np.int64)


def _ends(areas: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Return the first and the last slice of each structure."""
    found = {}
    for number in range(1, len(areas)):
        places = np.flatnonzero(areas[number])
        if places.size:
            found[number] = (int(places[0]), int(places[-1]))
    return found


def _waists(number: int, areas: NDArray[np.int64], waist: float) -> list[_Waist]:
    """Return the waists of a structure from below, of neighbouring ones the narrowest."""
    found: list[tuple[int, _Waist]] = []
    for index in range(1, len(areas) - 2):
        pair = areas[index : index + 2]
        below = int(areas[max(0, index - _FLANK) : index + 1].max())
        above = int(areas[index + 1 : index + 2 + _FLANK].max())
        flank = min(below, above)
        if pair.min() == 0 or pair.min() > waist * flank:
            continue
        one = (int(pair.sum()), _Waist(number, index, flank))
        if found and index - found[-1][1].index <= _FLANK:
            found[-1] = min(found[-1], one, key=lambda entry: entry[0])
        else:
            found.append(one)
    return [one for _, one in found]


def _companion(
    numbers: Numbers,
    areas: NDArray[np.int64],
    ends: dict[int, tuple[int, int]],
    waist: _Waist,
) -> bool:
    """Return whether a structure of sufficient size ends or begins next to a waist."""
    low, high = waist.index - _FLANK + 1, waist.index + _FLANK
    wide = 2 * np.sqrt(waist.flank / np.pi)
    for number, both in ends.items():
        for end in both:
            if number == waist.number or not low <= end <= high:
                continue
            near = areas[number, max(0, end - _FLANK - 1) : end + _FLANK + 2]
            if near.max() < _COMPANION * waist.flank or both[1] - both[0] < _FLANK:
                continue
            if _gap(numbers[end], number, waist.number) <= wide:
                return True
    return False


def _gap(section: Numbers, a: int, b: int) -> float:
    """Return the smallest distance of two structures on a slice in pixels; infinite without b."""
    if not (section == b).any():
        return float("inf")
    away = ndimage.distance_transform_edt(section != b)
    return float(away[section == a].min())
