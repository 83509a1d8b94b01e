"""NIfTI label volumes as stacks of axial slices, one id a structure."""

import math
from pathlib import Path

import numpy as np

from fewshot.errors import InputError
from fewshot.masks.predicted import MAX_STRUCTURE
from fewshot.slices.labels.check import check_label_map
from fewshot.slices.sources.nifti import NiftiVolume, nifti_files, volume_name
from fewshot.slices.volume import grid_of, picture_affine
from fewshot.volume.stack import LabelStack


def read_label_volumes(path: Path, max_voxels: int) -> list[LabelStack]:
    """Return a stack for each NIfTI file; `InputError` naming the file that holds no labels."""
    return [_read(file, max_voxels) for file in nifti_files(path)]


def _read(file: Path, max_voxels: int) -> LabelStack:
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
