"""Labels in .npy and .npz files that are cut as the images are."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import image_stem
from fewshot.slices.labels.source import check_label_map
from fewshot.slices.sources.array_files import LABEL_KEYS, ArrayFile, array_files
from fewshot.slices.sources.source import SliceSource, SourceSlice


class ArrayLabels:
    """One array for all slices in their order, or a folder of arrays named as the images' files.

    The .npz that holds the images may hold their labels too.
    """

    form = "NumPy array"
    structures = False

    def __init__(self, path: Path, source: SliceSource) -> None:
        self._path = path
        self._open = lru_cache(maxsize=1)(lambda file: ArrayFile(file, LABEL_KEYS))
        self._files = {file.stem: file for file in array_files(path)}
        self._order = {item.name: rank for rank, item in enumerate(source.slices)}
        self._count = len(source.slices)
        if not path.is_dir():
            self._check_count(source)

    def label_map(self, item: SourceSlice, height: int, width: int) -> NDArray[Any] | None:
        """Return the slice of the labels that belongs to a slice of the images."""
        if not self._path.is_dir():
            return self._read(self._path, self._order[item.name], height, width)
        key = item.key
        name, index = (key[0].stem, key[1]) if isinstance(key, tuple) else (item.name, 0)
        file = self._files.get(name) or self._files.get(image_stem(item.name))
        return None if file is None else self._read(file, index, height, width)

    def _check_count(self, source: SliceSource) -> None:
        count = self._open(self._path).count or 1
        if count != self._count and not source.skipped:
            raise InputError(
                f"{self._path}: holds {count} label maps for the {self._count} slices of"
                f" {source.path}; give one for each"
            )

    def _read(self, file: Path, index: int, height: int, width: int) -> NDArray[Any]:
        labels = self._open(file)
        if labels.colour or index >= (labels.count or 1):
            raise InputError(f"{file}: has no label map {index} of shape (height, width)")
        return check_label_map(labels.read(index), height, width, f"{file}: slice {index}")
