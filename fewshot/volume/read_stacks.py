"""Reading sequences of label maps: COCO files, and NIfTI label volumes with one id a structure."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.volume import MAX_VOXELS
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks, merge_structures
from fewshot.masks.predicted import MAX_STRUCTURE
from fewshot.slices.labels.check import check_label_map
from fewshot.slices.numbering import number_slices
from fewshot.slices.sequence import Spacing, check_one_patient, sequence_volume
from fewshot.slices.sources.nifti import NiftiVolume, is_nifti, nifti_files, volume_name
from fewshot.slices.volume import Volume, grid_of, picture_affine
from fewshot.volume.stack import UNEVEN, LabelStack


def read_stacks(
    path: Path,
    spacing: Spacing | None = None,
    score_threshold: float = 0.0,
    max_voxels: int = MAX_VOXELS,
) -> list[LabelStack]:
    """Return the sequences in a COCO file, or in one or a folder of NIfTI label volumes.

    The places of the slices come from the volumes, or positions and pixel sizes, in the COCO file;
    without them, `spacing` makes all slices one sequence, numbered by name. A pixel in several
    masks belongs to the one with the highest score.
    Raises `InputError` naming the file, for slices without a place or of several sizes, or more
    than `max_voxels`.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if is_nifti(path):
        if spacing is not None:
            raise InputError(f"{path}: has a spacing of its own; leave --spacing out")
        return [_read_label_volume(file, max_voxels) for file in nifti_files(path)]
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


def _read_label_volume(file: Path, max_voxels: int) -> LabelStack:
    volume = NiftiVolume(file)
    voxels = math.prod(volume.volume.shape)
    if voxels > max_voxels:
        raise InputError(
            f"{file}: holds {voxels} voxels; the limit is {max_voxels}, which --max-voxels raises"
        )
    first = volume.values(0)
    labels = np.zeros((len(volume), *first.shape), dtype=np.uint16)
    for index in range(len(volume)):
        where = f"{file}: slice {index}"
        section = check_label_map(volume.values(index), first.shape[0], first.shape[1], where)
        if section.max() > MAX_STRUCTURE:
            raise InputError(f"{where}: holds id {section.max()}; give ids up to {MAX_STRUCTURE}")
        labels[index] = section
    affine = picture_affine(volume.volume)
    grid = grid_of(affine)
    return LabelStack(
        name=volume_name(file),
        labels=labels,
        positions=np.arange(len(labels), dtype=np.float64) * grid.step,
        pixel=grid.pixel,
        step=grid.step,
        affine=affine,
        linked=True,
        volume=volume.volume,
    )


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
    """Return a stack without labels, with slices at these numbers of steps."""
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
    """Return the stride of the slices in their volume: 5 if every fifth is there."""
    whole = np.round(places).astype(np.int64)
    if np.abs(whole - places).max() > UNEVEN:
        return 1
    return max(1, math.gcd(*np.diff(whole).tolist()))


def _common_step(gaps: NDArray[np.float64]) -> float:
    """Return the most common distance, or the median if all differ."""
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
    linked = slices.has_structures
    merge: Any = merge_structures if linked else merge_masks
    for index, record in enumerate(stack.records):
        labels[index] = merge(slices.masks_of(record.image_id), rule)
    return stack.with_labels(labels, linked=linked)
