"""The interface of all forms of labels: the label maps of a slice."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from fewshot.slices.sources.source import SourceSlice


class LabelSource(Protocol):
    """The labels of slices; a new form is a file with such a class and a row in `open`."""

    form: str
    structures: bool  # an id means the same structure on every slice of a volume

    def label_maps(self, item: SourceSlice, height: int, width: int) -> Sequence[NDArray[Any]]:
        """Return maps of ids, shape (height, width), 0 for background; none without any label.

        Several maps come from several files for one slice, and may overlap. Raises `InputError`
        naming a file that cannot be read, has another size, or does not look like labels.
        """
