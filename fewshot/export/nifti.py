"""Label maps stacked into NIfTI volumes of the original shape and geometry."""

import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.export.label_maps import label_maps
from fewshot.masks.coco import SliceRecord, SliceSet, Volume
from fewshot.masks.merge import MergeRule
from fewshot.slices.volume import grid_of, put_slice

MAX_VOXELS = 1 << 30
"""The largest volume written without being asked for, in voxels: 2 GB before compression."""

_LONGEST_SIDE = 32767  # NIfTI-1 holds sides as int16.
_SUFFIXES = re.compile(r"\.(nii|nii\.gz|npy|npz|dcm)$", re.IGNORECASE)
_UNUSUAL = re.compile(r"[^\w.+-]")
_SCANNER = 1  # NIfTI's code for coordinates of the scanner.


def write_volumes(
    folder: Path, slices: SliceSet, rule: MergeRule, max_voxels: int = MAX_VOXELS
) -> list[Path]:
    """Write a label volume for each volume that slices came from, `NAME.nii.gz`, int16.

    Shape and affine are the original's; each slice lies where it was cut out. Slices that the set
    does not have, and slices without masks, are 0. Slices that came from no volume are left out.
    Returns the files.
    Raises `InputError` when no slice came from a volume, when a volume is larger than `max_voxels`
    or than NIfTI allows, or when two volumes would have the same file.
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
            _save(targets[name], voxels, slices.volumes[name])
    return list(targets.values())


def by_volume(slices: SliceSet) -> dict[str, list[SliceRecord]]:
    """Return the slices of each volume, in the order of the set; only volumes that have any."""
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
    """Put the label maps of the slices of a volume into `voxels`, in its original arrangement."""
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
    """Yield int16 zeros that lie in a file, for a volume may be larger than the memory."""
    with tempfile.TemporaryFile(dir=folder) as file:
        # The space is taken now: a disk that is full later would kill the process.
        os.posix_fallocate(file.fileno(), 0, 2 * math.prod(shape))
        yield np.memmap(file, dtype=np.int16, mode="r+", shape=shape, order="F")


def _save(target: Path, voxels: NDArray[np.int16], volume: Volume) -> None:
    image = nibabel.Nifti1Image(voxels, np.array(volume.affine))
    image.header.set_xyzt_units("mm")
    # Both, for there are tools that read only one of them; a qform cannot hold a shear.
    image.set_sform(volume.affine, _SCANNER)
    upright = grid_of(volume.affine).right_angled
    image.set_qform(volume.affine if upright else None, _SCANNER if upright else 0)
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
    if max(volume.shape) > _LONGEST_SIDE:
        raise InputError(f"volume {name!r}: is {sides}; a NIfTI side has at most {_LONGEST_SIDE}")
    voxels = math.prod(volume.shape)
    if voxels > max_voxels:
        raise InputError(
            f"volume {name!r}: is {sides}, {voxels} voxels; the limit is {max_voxels}, "
            "which --max-voxels raises"
        )
