"""NIfTI label volumes on the grid of the image volumes."""

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import name_a_few
from fewshot.slices.labels.source import check_label_map
from fewshot.slices.sources.nifti import NiftiVolume, NiftiVolumes, nifti_files, volume_name
from fewshot.slices.sources.source import SliceSource, SourceSlice
from fewshot.slices.volume import Volume

_MOST_APART = 0.1  # voxels


class NiftiLabels:
    """One label volume for one image volume, or a folder of them under the images' names."""

    form = "NIfTI"
    structures = True

    def __init__(self, path: Path, source: SliceSource) -> None:
        if not source.volumes:
            raise InputError(f"{path}: is a label volume, but {source.path} holds no volume")
        files = {volume_name(file): file for file in nifti_files(path)}
        cases = source.cases if isinstance(source, NiftiVolumes) else {}
        if not path.is_dir() and len(source.volumes) == 1:
            self._files = dict.fromkeys(source.volumes, path)
        else:
            self._files = {
                name: files[own]
                for name in source.volumes
                # The label of a case is that of each of its channels.
                for own in (name, cases.get(name, name))
                if own in files
            }
            strange = {file.name for file in files.values()} - {
                file.name for file in self._files.values()
            }
            if strange and not source.skipped:
                raise InputError(f"{path}: no image volume for {name_a_few(sorted(strange))}")
        self._axis = {name: volume.axis for name, volume in source.volumes.items()}
        self._open = lru_cache(maxsize=1)(NiftiVolume)
        for name, file in self._files.items():
            _check_grid(file, NiftiVolume(file, self._axis[name]).volume, source.volumes[name])

    def label_map(self, item: SourceSlice, height: int, width: int) -> NDArray[Any] | None:
        """Return the slice of the label volume, upright as the image."""
        file = self._files.get(item.volume or "")
        if file is None or item.volume is None or item.index is None:
            return None
        ids = self._open(file, self._axis[item.volume]).values(item.index)
        return check_label_map(ids, height, width, f"{file}: slice {item.index}")


def _check_grid(file: Path, labels: Volume, images: Volume) -> None:
    if labels.shape != images.shape:
        raise InputError(
            f"{file}: labels have shape {labels.shape}, the image {images.source} has"
            f" {images.shape}; resample them to the image"
        )
    ours, theirs = np.array(labels.affine), np.array(images.affine)
    step = np.linalg.norm(theirs[:3, :3], axis=0).min()
    corners = np.array(
        [[*one, 1] for one in itertools.product(*((0, n - 1) for n in images.shape))]
    )
    far = float(np.linalg.norm((ours - theirs)[:3] @ corners.T, axis=0).max() / step)
    # Less is rounding, and leaves every label on its voxel; half of a voxel is the next one.
    if far > _MOST_APART:
        raise InputError(
            f"{file}: labels have another affine than the image {images.source} (a corner lies "
            f"{far:.3g} voxels away); resample them to the image"
        )
