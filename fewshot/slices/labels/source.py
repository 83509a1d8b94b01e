"""What every form of labels offers: the label map of a slice."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.sources.source import SourceSlice


class LabelSource(Protocol):
    """The labels of slices; a new form is a file with a class like this and a row in `open`."""

    form: str
    structures: bool  # an id means the same structure on every slice of a volume

    def label_map(self, item: SourceSlice, height: int, width: int) -> NDArray[Any] | None:
        """Return ids, shape (height, width), 0 for background; None for a slice without any.

        Raises `InputError` naming the file when it cannot be read, or is of another size.
        """


def check_label_map(ids: NDArray[Any], height: int, width: int, where: str) -> NDArray[Any]:
    """Return ids as integers of shape (height, width).

    Raises `InputError` naming `where` for another size, fractions, negative ids or too many.
    """
    if ids.shape != (height, width):
        sides = " x ".join(map(str, ids.shape))
        raise InputError(
            f"{where}: labels are {sides}, the slice is {height} x {width}; give the same size"
        )
    if ids.dtype.kind == "f":
        whole = ids.astype(np.int64, copy=True) if np.isfinite(ids).all() else None
        if whole is None or (np.abs(ids) > 2**31).any() or (whole != ids).any():
            raise InputError(f"{where}: labels have fractions; give whole numbers")
        ids = whole
    if ids.dtype == np.bool_:
        ids = ids.astype(np.uint8)
    if int(ids.min()) < 0:
        raise InputError(f"{where}: label {int(ids.min())} is negative; give ids from 0 up")
    found = len(np.unique(ids))
    if found > 4096:
        raise InputError(f"{where}: holds {found} ids; is this an image rather than labels?")
    return ids
