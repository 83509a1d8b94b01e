"""Label maps as NIfTI volumes of the original shape and geometry."""

import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewshot.errors import InputError
from fewshot.export.forms import label_maps
from fewshot.masks.coco import SliceRecord, SliceSet, Volume
from fewshot.masks.merge import MergeRule
from fewshot.slices.volume import grid_of, put_slice

MAX_VOXELS = 1 << 30
"""The largest volume written by default, in voxels: 2 GB before compression."""

LONGEST_SIDE = 32767
"""Voxels of a side at most: NIfTI-1 stores sides as int16."""
_SUFFIXES = re.compile(r"\.(nii|nii\.gz|npy|npz|dcm)$", re.IGNORECASE)
_UNUSUAL = re.compile(r"[^\w.+-]")
_SCANNER = 1  # NIfTI's code for scanner coordinates


def write_volumes(
    folder: Path, slices: SliceSet, rule: MergeRule, max_voxels: int = MAX_VOXELS
) -> list[Path]:
    """Write a label volume for each volume that slices came from, `NAME.nii.gz`, int16.

    Shape, affine and the places of the slices are the original's. Missing slices and slices without
    masks are 0; slices that came from no volume are left out. Returns the files.
    Raises `InputError` if no slice came from a volume, a volume is larger than `max_voxels` or than
    NIfTI allows, or two volumes would have the same file.
    """
    members = by_volume(slices)
    if not members:
        raise InputError("no slice came from a volume; export label PNGs instead")
    targets = _targets(folder, members)
    for name in members:
        _check_shape(name, slices.volumes[name], max_voxels)
    for name, records in members.items():
        with _empty_voxels(slices.volumes[name].shape, folder) as voxels:
            stack(voxels, slices, name, records, rule)
            save_volume(targets[name], voxels, slices.volumes[name].affine)
    return list(targets.values())


def by_volume(slices: SliceSet) -> dict[str, list[SliceRecord]]:
    """Return the slices of each volume, in the order of the set."""
    members: dict[str, list[SliceRecord]] = {}
    for record in slices.records:
        if record.volume is not None:
            members.setdefault(record.volume, []).append(record)
    return members


def stack(
    voxels: NDArray[np.int16],
    slices: SliceSet,
    name: str,
    records: Iterable[SliceRecord],
    rule: MergeRule,
) -> None:
    """Put the label maps of a volume's slices into `voxels`, which has its original axes."""
    volume = slices.volumes[name]
    for record, label_map in label_maps(slices, records, rule):
        if record.index is None:
            raise InputError(f"image {record.image_id}: has no index in volume {name!r}")
        try:
            put_slice(voxels, volume.axis, record.index, volume.affine, label_map)
        except ValueError as error:
            raise InputError(
                f"image {record.image_id}: is {record.height} x {record.width}, which does not "
                f"lie in volume {name!r} of shape {volume.shape} cut along axis {volume.axis}"
            ) from error


@contextmanager
def _empty_voxels(shape: tuple[int, int, int], folder: Path) -> Iterator[NDArray[np.int16]]:
    """Yield int16 zeros in a file, because a volume may be larger than memory."""
    with tempfile.TemporaryFile(dir=folder) as file:
        # Reserve the space now: a full disk would later kill the process.
        os.posix_fallocate(file.fileno(), 0, 2 * math.prod(shape))
        yield np.memmap(file, dtype=np.int16, mode="r+", shape=shape, order="F")


def save_volume(target: Path, voxels: NDArray[np.int16], affine: ArrayLike) -> None:
    """Write a NIfTI volume; `affine` leads from voxels to mm: right, anterior, superior."""
    matrix = np.array(affine)
    image = nibabel.Nifti1Image(voxels, matrix)
    image.header.set_xyzt_units("mm")
    # Both, because some tools read only one of them; a qform cannot express a shear.
    image.set_sform(matrix, _SCANNER)
    upright = grid_of(matrix).right_angled
    image.set_qform(matrix if upright else None, _SCANNER if upright else 0)
    nibabel.save(image, target)


def _targets(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    targets: dict[str, Path] = {}
    owners: dict[Path, str] = {}
    for name in names:
        plain = _UNUSUAL.sub("_", _SUFFIXES.sub("", name)).lstrip(".") or "volume"
        target = folder / f"{plain}.nii.gz"
        other = owners.setdefault(target, name)
        if other != name:
            raise InputError(f"volumes {other!r} and {name!r} would both be {target.name!r}")
        targets[name] = target
    return targets


def _check_shape(name: str, volume: Volume, max_voxels: int) -> None:
    sides = " x ".join(map(str, volume.shape))
    if max(volume.shape) > LONGEST_SIDE:
        raise InputError(f"volume {name!r}: is {sides}; a NIfTI side has at most {LONGEST_SIDE}")
    voxels = math.prod(volume.shape)
    if voxels > max_voxels:
        raise InputError(
            f"volume {name!r}: is {sides}, {voxels} voxels; the limit is {max_voxels}, "
            "which --max-voxels raises"
        )
