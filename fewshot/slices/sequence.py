"""Numbered slices of known spacing as one volume: `001.png`, `002.png`, … at 0.076 mm."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.groups import guess_groups
from fewshot.slices.images import name_a_few
from fewshot.slices.numbering import number_slices
from fewshot.slices.sources.source import Skipped, SliceSource, SourceSlice
from fewshot.slices.volume import Volume, describe_slices, grid_of, picture_affine
from fewshot.slices.window import Window

Spacing = tuple[float, float, float]
"""Millimetres: of a column (x), of a row (y), from a slice number to the next (z)."""

_LARGEST = 1000.0  # mm


def parse_spacing(text: str | None) -> Spacing | None:
    """Return the spacing in `0.04718 0.04718 0.076`; spaces, commas or `x` between the numbers.

    Raises `InputError` unless these are three positive numbers, in mm. None stays None.
    """
    if text is None:
        return None
    parts = re.split(r"[\s,x×]+", text.strip())
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(0 < one <= _LARGEST for one in numbers):
        raise InputError(
            f'--spacing {text!r}: give three numbers of mm: column, row, slice ("0.05 0.05 0.08")'
        )
    return numbers[0], numbers[1], numbers[2]


def check_one_patient(names: Sequence[str], groups: Sequence[str | None] = ()) -> None:
    """Raise `InputError` if slices for one volume belong to several patients.

    By groups if known, otherwise by names.
    """
    known = {group for group in groups if group is not None}
    guess = None if known else guess_groups(names)
    if len(known) > 1 or guess is not None:
        found = sorted(known) if guess is None else list(dict.fromkeys(guess.groups))
        raise InputError(
            f"slices are of {len(found)} patients ({name_a_few(found)}), and --spacing makes one "
            "volume; give those of one"
        )


class Sequence3D:
    """The slices of another source, each folder of them a volume of even spacing."""

    def __init__(self, source: SliceSource, spacing: Spacing) -> None:
        if source.volumes:
            raise InputError(f"{source.path}: has a spacing of its own; leave --spacing out")
        self._source = source
        self.form, self.path, self.ready = source.form, source.path, source.ready
        self.skipped: Sequence[Skipped] = source.skipped
        name = source.path.resolve().name or "sequence"
        first = np.asarray(source.values(source.slices[0])) if source.slices else np.zeros((1, 1))
        names = [item.name for item in source.slices]
        try:
            check_one_patient(names)
            numbering = number_slices(names, spacing[2])
        except InputError as error:
            raise InputError(f"{source.path}: {error}") from error
        size, sides = (first.shape[0], first.shape[1]), (*spacing[:2], numbering.step)
        volume = sequence_volume(size, max(1, numbering.count), sides, name, numbering.start)
        self.volumes: Mapping[str, Volume] = {name: volume}
        grid = grid_of(picture_affine(volume))
        reading = describe_slices(len(source.slices), grid, max(1, numbering.count) * grid.step)
        more = f" ({numbering.reading})" if numbering.reading else ""
        self.notes: Sequence[str] = [*source.notes, f"volume {name!r}: {reading}{more}"]
        gaps = numbering.gap_note(str(source.path))
        self.warnings: Sequence[str] = [*source.warnings, *([gaps] if gaps else [])]
        self.slices: Sequence[SourceSlice] = [
            replace(
                item,
                group=item.group or name,
                volume=name,
                index=index,
                spacing=(spacing[1], spacing[0]),
                position=numbering.start + index * numbering.step,
            )
            for item, index in zip(source.slices, numbering.indices, strict=True)
        ]

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the intensities as the source has them."""
        return self._source.values(item)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return the picture as the source has it."""
        return self._source.picture(item, window)


def as_sequence(source: SliceSource, spacing: Spacing) -> SliceSource:
    """Return the slices of a source without geometry as one volume, numbered by their names.

    Missing numbers leave empty places in the volume, as its `warnings` say.
    Raises `InputError` when the source has its own geometry.
    """
    return Sequence3D(source, spacing)


def sequence_volume(
    size: tuple[int, int], slices: int, spacing: Spacing, source: str, start: float = 0.0
) -> Volume:
    """Return the volume of pictures of `size` (height, width), not turned.

    Columns run to the patient's left, rows to the back, slices to the head, as in axial DICOM
    pictures; the first slice is at `start` mm. For specimens the directions mean nothing, but the
    lengths do.
    """
    x, y, z = spacing
    affine = ((-x, 0.0, 0.0, 0.0), (0.0, -y, 0.0, 0.0), (0.0, 0.0, z, start), (0.0, 0.0, 0.0, 1.0))
    return Volume((size[1], size[0], slices), 2, affine, source)
