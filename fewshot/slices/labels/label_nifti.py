"""NIfTI label volumes on the grid of the image volumes."""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import name_a_few
from fewshot.slices.label_names import (
    Renamed,
    label_files,
    match_names,
    refuse_strange,
    volume_names,
)
from fewshot.slices.labels.check import PLAIN, LabelRules, check_label_map
from fewshot.slices.sources.nifti import NiftiVolume, NiftiVolumes, nifti_files
from fewshot.slices.sources.source import SliceSource, SourceSlice
from fewshot.slices.volume import Volume

_MOST_APART = 0.1  # voxels


class NiftiLabels:
    """One label volume for one image volume, or a folder of them with the same names."""

    form = "NIfTI"
    structures = True

    def __init__(self, path: Path, source: SliceSource, rules: LabelRules = PLAIN) -> None:
        if not source.volumes:
            raise InputError(
                f"{path}: is a label volume, but {source.path} ({source.form}) holds no volume;"
                " give volumes, or labels of another form"
            )
        self._rules = rules
        files = {one.name: one for one in label_files(path, source, nifti_files(path))}
        wanted, volumes = _cases(source, rules.renamed)
        found = match_names(wanted, files)
        if not path.is_dir() and len(volumes) == 1:
            found = {path.name: next(iter(volumes))}
        refuse_strange(path, files, found, wanted, bool(source.skipped))
        if len(set(found.values())) < len(found):
            twice = [name for name in found if list(found.values()).count(found[name]) > 1]
            raise InputError(f"{path}: {name_a_few(twice)} are labels of one volume; keep one")
        self._files = {
            volume: files[name] for name, case in found.items() for volume in volumes[case]
        }
        self._axis = {name: volume.axis for name, volume in source.volumes.items()}
        self._open = lru_cache(maxsize=1)(NiftiVolume)
        for name, file in self._files.items():
            _check_grid(file, NiftiVolume(file, self._axis[name]).volume, source.volumes[name])

    def label_maps(self, item: SourceSlice, height: int, width: int) -> Sequence[NDArray[Any]]:
        """Return the slice of the label volume, upright like the image."""
        file = self._files.get(item.volume or "")
        if file is None or item.volume is None or item.index is None:
            return []
        ids = self._open(file, self._axis[item.volume]).values(item.index)
        where = f"{file}: slice {item.index}"
        return [check_label_map(ids, height, width, where, self._rules)]


def _cases(
    source: SliceSource, renamed: Renamed | None
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the names and volumes of each case; a case has one label for all its channels.

    A volume without channels is a case by itself.
    """
    cases = source.cases if isinstance(source, NiftiVolumes) else {}
    names: dict[str, list[str]] = {}
    volumes: dict[str, list[str]] = {}
    for volume, its in volume_names(source, renamed).items():
        case = cases.get(volume, volume)
        names.setdefault(case, [case]).extend(its)
        volumes.setdefault(case, []).append(volume)
    return names, volumes


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
    # Anything less is rounding, and no label moves to another voxel.
    if far > _MOST_APART:
        raise InputError(
            f"{file}: labels have another affine than the image {images.source} (a corner lies "
            f"{far:.3g} voxels away); resample them to the image"
        )
