"""Numbered slices of known spacing as one volume: `001.png`, `002.png`, … at 0.076 mm."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, name_a_few
from fewshot.slices.sources.source import Skipped, SliceSource, SourceSlice
from fewshot.slices.volume import Volume
from fewshot.slices.window import Window

Spacing = tuple[float, float, float]
"""Millimetres: of a column (x), of a row (y), from a slice to the next (z)."""

_LARGEST = 1000.0  # mm
_MOST_SLICES = 100_000


def parse_spacing(text: str, option: str = "--spacing") -> Spacing:
    """Return the spacing in `0.04718 0.04718 0.076`; spaces, commas or `x` between the numbers.

    Raises `InputError` unless these are three numbers of millimetres above 0.
    """
    parts = re.split(r"[\s,x×]+", text.strip())
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(0 < one <= _LARGEST for one in numbers):
        raise InputError(
            f'{option} {text!r}: give three numbers of mm: column, row, slice ("0.05 0.05 0.08")'
        )
    return numbers[0], numbers[1], numbers[2]


def slice_numbers(names: Sequence[str]) -> list[int]:
    """Return the number of each slice: the last number in its name that tells all slices apart.

    `t1_007_gt.png` is 7 and, where no number does, the slices count from 0 in their order.
    """
    found = [re.findall(r"\d{1,9}", image_stem(Path(name).name)) for name in names]
    fewest = min(map(len, found), default=0)
    for place in range(1, fewest + 1):
        numbers = [int(one[-place]) for one in found]
        if len(set(numbers)) == len(numbers) and numbers == sorted(numbers):
            return numbers
    return list(range(len(names)))


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


class Sequence3D:
    """The slices of another source, each folder of them a volume of even spacing."""

    def __init__(self, source: SliceSource, spacing: Spacing) -> None:
        if source.volumes:
            raise InputError(f"{source.path}: has a spacing of its own; leave --spacing out")
        self._source, self._spacing = source, spacing
        self.form, self.path, self.ready = source.form, source.path, source.ready
        self.skipped: Sequence[Skipped] = source.skipped
        name = source.path.resolve().name or "sequence"
        first = np.asarray(source.values(source.slices[0])) if source.slices else np.zeros((1, 1))
        numbers = slice_numbers([item.name for item in source.slices])
        lowest, highest = min(numbers, default=0), max(numbers, default=0)
        if highest - lowest >= _MOST_SLICES:
            raise InputError(f"{source.path}: slices are numbered {lowest} to {highest}; rename")
        self.volumes: Mapping[str, Volume] = {
            name: sequence_volume(
                (first.shape[0], first.shape[1]), highest - lowest + 1, spacing, name
            )
        }
        self.slices: Sequence[SourceSlice] = [
            replace(
                item,
                group=item.group or name,
                volume=name,
                index=number - lowest,
                spacing=(spacing[1], spacing[0]),
                position=(number - lowest) * spacing[2],
            )
            for item, number in zip(source.slices, numbers, strict=True)
        ]

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the intensities as the source has them."""
        return self._source.values(item)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return the picture as the source has it."""
        return self._source.picture(item, window)


def as_sequence(source: SliceSource, spacing: Spacing) -> SliceSource:
    """Return the slices of a source without geometry as one volume, numbered by their names.

    A number that is left out leaves its place in the volume empty: see `gaps`.
    Raises `InputError` when the source has a geometry of its own.
    """
    return Sequence3D(source, spacing)


def sequence_volume(size: tuple[int, int], slices: int, spacing: Spacing, source: str) -> Volume:
    """Return the volume of pictures of `size` (height, width) as they lie, not turned.

    Columns run to the patient's left, rows to the back, slices to the head, as an axial DICOM
    picture does. For a probe without a patient the names mean nothing, the lengths do.
    """
    x, y, z = spacing
    affine = ((-x, 0.0, 0.0, 0.0), (0.0, -y, 0.0, 0.0), (0.0, 0.0, z, 0.0), (0.0, 0.0, 0.0, 1.0))
    return Volume((size[1], size[0], slices), 2, affine, source)


def gap_note(numbers: Sequence[int], where: str) -> str | None:
    """Return one line about the slices a sequence leaves out, None when it leaves out none."""
    missing = missing_numbers(numbers)
    if not missing:
        return None
    shown = name_a_few([str(number) for number in missing]).replace("'", "")
    count = "1 slice is" if len(missing) == 1 else f"{len(missing)} slices are"
    return f"{where}: {count} missing between the first and the last: {shown}"
