"""The challenge's label CSV as labels of slices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.label_names import match_names, slice_names
from fewshot.slices.labels.check import PLAIN, LabelRules, check_label_map
from fewshot.slices.sources.source import SliceSource, SourceSlice


class TableLabels:
    """A column for each slice; an all-zero one is unlabelled."""

    form = "label CSV"
    structures = False

    def __init__(self, path: Path, source: SliceSource, rules: LabelRules = PLAIN) -> None:
        self._path, self._rules = path, rules
        self._table = read_label_csv(path)
        found = match_names(slice_names(source, rules.renamed), self._table.names)
        self._columns = {image: name for name, image in found.items()}
        self.names = tuple(found.get(name, name) for name in self._table.names)
        """The slices of the columns, and columns that belong to none."""

    def label_maps(self, item: SourceSlice, height: int, width: int) -> Sequence[NDArray[Any]]:
        """Return the column of a slice as its label map."""
        column = self._columns.get(item.name, item.name)
        ids = self._table.label_map(column, height, width)
        where = f"{self._path}: image {column!r}"
        return [check_label_map(ids, height, width, where, self._rules)]
