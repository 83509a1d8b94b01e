"""Slices of one sequence with their place in millimetres, and their label maps as one array."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.config.volume import MAX_VOXELS
from fewshot.errors import InputError
from fewshot.export.label_maps import has_structures
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks, merge_structures
from fewshot.slices.sequence import (
    Spacing,
    check_one_patient,
    gap_note,
    number_slices,
    sequence_volume,
)
from fewshot.slices.volume import Grid, Volume, describe_slices, grid_of, picture_affine

Labels = NDArray[np.uint16]
"""The largest stack that is read without being asked for: 2 GB."""
_UNEVEN = 0.02  # steps that differ by more are no rounding


@dataclass(frozen=True, eq=False)
class LabelStack:
    """The label maps of a sequence of slices, lowest position first.

    Attributes:
        name: of the volume or sequence.
        labels: ids, uint16, (slices, height, width), 0 for background.
        positions: where the slices lie along their axis, mm, (slices,), ascending.
        pixel: size of a pixel, mm: (row, column).
        step: distance of neighbouring slices along their normal, mm; where it differs, the most
            common.
        affine: 4 x 4 from (steps above the first slice, row, column) to mm: right, anterior,
            superior.
        linked: whether an id is one structure on all slices.
        volume: the volume that they were cut from, if any; the first is its slice `first`, and a
            step is `every` of its slices.
        records: the slices as their file describes them; empty for a label volume.
        reading: how the places were found, in words, where it is not plain.
    """

    name: str
    labels: Labels
    positions: NDArray[np.float64]
    pixel: tuple[float, float]
    step: float
    affine: NDArray[np.float64]
    linked: bool
    volume: Volume | None = None
    first: int = 0
    every: int = 1
    records: tuple[SliceRecord, ...] = ()
    reading: str = ""

    @property
    def grid(self) -> Grid:
        """Return the lengths of the stack: of a step, of a pixel, and how it is sheared."""
        return grid_of(self.affine)

    @property
    def voxel_mm3(self) -> float:
        """Return the volume of a voxel that is one step high, mm3."""
        return self.grid.voxel_mm3

    def to_world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points in mm of the volume (right, anterior, superior).

        They are given along the stack's axes, which may be oblique, as (points, 3): mm above the
        first slice, mm from the first row and from the first column.
        """
        steps = points / np.array([self.step, *self.pixel])
        found: NDArray[np.float64] = steps @ self.affine[:3, :3].T + self.affine[:3, 3]
        return found

    def described(self) -> str:
        """Return how the stack was read: its slices, their distance and what they stand for."""
        found = describe_slices(len(self.positions), self.grid, float(self.thickness().sum()))
        return f"volume {self.name!r}: {found}" + (f" ({self.reading})" if self.reading else "")

    @property
    def even(self) -> bool:
        """Return whether all slices lie one step apart."""
        return bool((np.abs(np.diff(self.positions) / self.step - 1) <= _UNEVEN).all())

    def thickness(self) -> NDArray[np.float64]:
        """Return what each slice stands for, mm: half of the way to both its neighbours.

        Slices at an even step stand for one step each; beyond the first and last lies half a step.
        """
        half = np.diff(self.positions) / 2
        return np.append(half, self.step / 2) + np.insert(half, 0, self.step / 2)

    def warnings(self) -> list[str]:
        """Return a line for slices that are missing, and one for steps that differ."""
        steps = np.diff(self.positions) / self.step
        if self.even:
            return []
        where = f"volume {self.name!r}"
        if np.abs(steps - np.round(steps)).max() <= _UNEVEN * 2 and steps.min() > 0.5:
            numbers = np.concatenate([[0], np.cumsum(np.round(steps).astype(int))]).tolist()
            note = gap_note([self.first + one * self.every for one in numbers], where)
            return [f"{note}; their neighbours stand for them"] if note else []
        low, high = self.step * steps.min(), self.step * steps.max()
        return [
            f"{where}: slices lie {low:.4g} to {high:.4g} mm apart; each stands for half of the "
            "way to its neighbours"
        ]

    def with_labels(self, labels: Labels, *, linked: bool) -> "LabelStack":
        """Return the same slices with other label maps."""
        return replace(self, labels=labels, linked=linked)


def crop(labels: Labels) -> list[tuple[int, tuple[slice, slice, slice]]]:
    """Return each id that occurs with the box it lies in."""
    boxes = ndimage.find_objects(labels)
    return [(one, box) for one, box in enumerate(boxes, start=1) if box is not None]


def read_stacks(
    path: Path,
    spacing: Spacing | None = None,
    score_threshold: float = 0.0,
    max_voxels: int = MAX_VOXELS,
) -> list[LabelStack]:
    """Return the sequences in a COCO file, or in one or a folder of NIfTI label volumes.

    A COCO file says by its volumes, or by positions and pixel sizes, where the slices lie; where it
    does not, `spacing` does, and then all its slices are one sequence, numbered by their names. A
    pixel of several masks belongs to the one with the highest score.
    Raises `InputError` naming the file, for slices without a place, of several sizes, or when there
    are more than `max_voxels`.
    """
    from fewshot.slices.sources.nifti import is_nifti

    if not path.exists():
        raise InputError(f"{path}: no such file")
    if is_nifti(path):
        if spacing is not None:
            raise InputError(f"{path}: has a spacing of its own; leave --spacing out")
        from fewshot.volume.label_volume import read_label_volumes

        return read_label_volumes(path, max_voxels)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a COCO file or NIfTI label volumes")
    slices = read_coco(path)
    if not len(slices):
        raise InputError(f"{path}: has no slices")
    rule = MergeRule(score_threshold)
    try:
        places = [_place(name, slices, found, spacing) for name, found in _members(slices, spacing)]
        for place in places:
            _check_size(place, max_voxels)
        return [_filled(place, slices, rule) for place in places]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _members(slices: SliceSet, spacing: Spacing | None) -> list[tuple[str, list[SliceRecord]]]:
    if spacing is not None:
        if slices.volumes or any(one.position is not None for one in slices.records):
            raise InputError("the slices have a spacing of their own; leave --spacing out")
        return [("sequence", list(slices.records))]
    found: dict[str, list[SliceRecord]] = {}
    for record in slices.records:
        if record.volume is None and (record.position is None or record.spacing is None):
            raise InputError(
                f"image {record.image_id}: it is not known where the slice lies; give --spacing "
                '"COLUMN ROW SLICE" in mm'
            )
        found.setdefault(record.volume or record.group or "sequence", []).append(record)
    return list(found.items())


def _place(
    name: str, slices: SliceSet, records: list[SliceRecord], spacing: Spacing | None
) -> LabelStack:
    """Return a stack without labels."""
    sizes = sorted({(record.height, record.width) for record in records})
    if len(sizes) > 1:
        (a, b), (c, d) = sizes[:2]
        raise InputError(f"volume {name!r}: slices are {a} x {b} and {c} x {d}; give one size")
    if spacing is not None:
        names = [record.file_name for record in records]
        check_one_patient(names, [record.group for record in records])
        found = number_slices(names, spacing[2])
        records = [replace(one, index=at) for one, at in zip(records, found.indices, strict=True)]
        sides = (*spacing[:2], found.step)
        volume = sequence_volume(sizes[0], found.count, sides, name, found.start)
        stack = _stack(volume, name, records, found.indices)
        return replace(stack, reading=found.reading)
    if name in slices.volumes and records[0].volume == name:
        return _stack(slices.volumes[name], name, records, [one.index or 0 for one in records])
    pixels = np.array([record.spacing for record in records], dtype=np.float64)
    if not np.allclose(pixels, pixels[0], rtol=1e-4):
        other = int(np.abs(pixels / pixels[0] - 1).max(axis=1).argmax())
        one, two = (" x ".join(f"{side:.4g}" for side in pixels[at]) for at in (0, other))
        raise InputError(
            f"volume {name!r}: pixels are {one} mm on image {records[0].image_id} and {two} on "
            f"image {records[other].image_id}; give one size"
        )
    positions = np.array([record.position for record in records], dtype=np.float64)
    gaps = np.diff(np.sort(positions))
    if (gaps <= 0).any():
        raise InputError(f"volume {name!r}: two slices lie at the same position")
    step = _common_step(gaps) if gaps.size else 1.0
    row, column = records[0].spacing or (1.0, 1.0)
    numbers = (positions - positions.min()) / step
    count = round(float(numbers.max())) + 1
    volume = sequence_volume(
        sizes[0], count, (column, row, step), name, start=float(positions.min())
    )
    return _stack(volume, name, records, numbers.tolist())


def _stack(
    volume: Volume, name: str, records: Sequence[SliceRecord], numbers: Sequence[float]
) -> LabelStack:
    """Return a stack without labels of slices that lie at these numbers of steps."""
    order = np.argsort(np.array(numbers), kind="stable")
    places = np.array(numbers, dtype=np.float64)[order]
    affine = picture_affine(volume)
    affine[:3, 3] += places[0] * affine[:3, 0]
    every = _unit(places)
    affine[:3, 0] *= every
    grid = grid_of(affine)
    record = records[0]
    return LabelStack(
        name=name,
        labels=np.zeros((0, record.height, record.width), dtype=np.uint16),
        positions=(places - places[0]) / every * grid.step,
        pixel=grid.pixel,
        step=grid.step,
        affine=affine,
        linked=False,
        volume=volume,
        first=round(places[0]),
        every=every,
        records=tuple(records[one] for one in order),
    )


def _unit(places: NDArray[np.float64]) -> int:
    """Return the slices of a volume from one to the next: 5 where every fifth is there."""
    whole = np.round(places).astype(np.int64)
    if np.abs(whole - places).max() > _UNEVEN:
        return 1
    return max(1, math.gcd(*np.diff(whole).tolist()))


def _common_step(gaps: NDArray[np.float64]) -> float:
    """Return the most common distance; the median where none is common."""
    rounded = np.round(gaps / gaps.min(), 2)
    values, counts = np.unique(rounded, return_counts=True)
    if counts.max() > 1:
        return float(np.median(gaps[rounded == values[counts.argmax()]]))
    return float(np.median(gaps))


def _check_size(stack: LabelStack, max_voxels: int) -> None:
    height, width = stack.labels.shape[1:]
    voxels = len(stack.records) * height * width
    if voxels > max_voxels:
        raise InputError(
            f"volume {stack.name!r}: is {len(stack.records)} x {height} x {width}, {voxels} voxels;"
            f" the limit is {max_voxels}, which --max-voxels raises"
        )


def _filled(stack: LabelStack, slices: SliceSet, rule: MergeRule) -> LabelStack:
    labels = np.zeros((len(stack.records), *stack.labels.shape[1:]), dtype=np.uint16)
    linked = has_structures(slices)
    merge: Any = merge_structures if linked else merge_masks
    for index, record in enumerate(stack.records):
        labels[index] = merge(slices.masks_of(record.image_id), rule)
    return stack.with_labels(labels, linked=linked)
