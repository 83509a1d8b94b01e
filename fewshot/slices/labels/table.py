"""The challenge's label CSV as labels of slices."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.sources.source import SliceSource, SourceSlice


class TableLabels:
    """A column for each slice; an all-zero one is unlabelled."""

    form = "label CSV"
    structures = False

    def __init__(self, path: Path, source: SliceSource) -> None:
        self._table = read_label_csv(path)
        self.names = self._table.names

    def label_map(self, item: SourceSlice, height: int, width: int) -> NDArray[Any] | None:
        """Return the column of a slice as its label map."""
        return self._table.label_map(item.name, height, width)
