"""Labels in .npy and .npz files, with the same slices as the images."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.label_names import (
    label_files,
    match_names,
    origin_of,
    refuse_strange,
    slice_names,
    stem_of,
)
from fewshot.slices.labels.check import PLAIN, LabelRules, check_label_map
from fewshot.slices.sources.array_files import IMAGE_KEYS, LABEL_KEYS, ArrayFile, array_files
from fewshot.slices.sources.source import SliceSource, SourceSlice


class ArrayLabels:
    """One array for all slices in order, or a folder of arrays named like the image files.

    A .npz file may contain both images and labels.
    """

    form = "NumPy array"
    structures = False

    def __init__(self, path: Path, source: SliceSource, rules: LabelRules = PLAIN) -> None:
        self._path, self._rules = path, rules
        self._open = lru_cache(maxsize=1)(lambda file: ArrayFile(file, LABEL_KEYS))
        files = array_files(path)
        if not _holds_both(path, files, source):
            files = label_files(path, source, files)
        self._places = _places(source)
        self._files: dict[str, Path] = {}
        if path.is_dir():
            self._match(files, source)
        else:
            self._check_count(source)

    def label_maps(self, item: SourceSlice, height: int, width: int) -> Sequence[NDArray[Any]]:
        """Return the slice of the labels that belongs to a slice of the images."""
        place, in_file = self._places[item.name]
        if not self._path.is_dir():
            return [self._read(self._path, place, height, width)]
        if item.name in self._files:
            return [self._read(self._files[item.name], 0, height, width)]
        file = self._files.get(_of_file(item))
        return [] if file is None else [self._read(file, in_file, height, width)]

    def _match(self, files: Sequence[Path], source: SliceSource) -> None:
        """Find the array of each slice, or of each file of slices, by its name."""
        by_name = {one.name: one for one in files}
        slices = slice_names(source, self._rules.renamed)
        stacks = {_of_file(item): [stem_of(origin_of(item).name)] for item in source.slices}
        found = match_names(stacks, by_name)
        rest = [name for name in by_name if name not in found]
        found |= match_names(slices, rest)
        wanted = {**stacks, **slices}
        refuse_strange(self._path, by_name, found, wanted, bool(source.skipped))
        self._files = {image: by_name[name] for name, image in found.items()}

    def _check_count(self, source: SliceSource) -> None:
        count, wanted = self._open(self._path).count or 1, len(source.slices)
        if count != wanted:
            skipped = f", of which {len(source.skipped)} files more cannot be read"
            raise InputError(
                f"{self._path}: holds {count} label maps for the {wanted} slices of"
                f" {source.path}{skipped if source.skipped else ''}; give one for each"
            )

    def _read(self, file: Path, index: int, height: int, width: int) -> NDArray[Any]:
        labels = self._open(file)
        if labels.colour or index >= (labels.count or 1):
            raise InputError(f"{file}: has no label map {index} of shape (height, width)")
        where = f"{file}: slice {index}"
        return check_label_map(labels.read(index), height, width, where, self._rules)


def _of_file(item: SourceSlice) -> str:
    return f"file {origin_of(item)}"


def _places(source: SliceSource) -> dict[str, tuple[int, int]]:
    """Return the rank of each slice among all, and among those of its file."""
    count: dict[Path, int] = {}
    places = {}
    for rank, item in enumerate(source.slices):
        file = origin_of(item)
        places[item.name] = rank, count.get(file, 0)
        count[file] = count.get(file, 0) + 1
    return places


def _holds_both(path: Path, files: Sequence[Path], source: SliceSource) -> bool:
    """Return whether these archives contain both images and labels."""
    return path.samefile(source.path) and all(
        ArrayFile(one, IMAGE_KEYS).member != ArrayFile(one, LABEL_KEYS).member for one in files
    )
