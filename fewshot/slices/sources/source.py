"""The interface of all forms of images: slices that are read one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewshot.slices.place import Place
from fewshot.slices.volume import Volume
from fewshot.slices.window import Window


@dataclass(frozen=True)
class SourceSlice(Place):
    """One slice before it is read.

    `name` is the file it is or becomes; `where` its name in errors; `key` identifies it in its
    source; `file` is what it is read from.
    """

    name: str
    where: str
    key: Any
    file: Path | None = None


@dataclass(frozen=True)
class Skipped:
    """A skipped file, and the reason in one line that names it."""

    reason: str


class SliceSource(Protocol):
    """The slices of one form of images, in order.

    A new form is a file with such a class and a row in `fewshot.slices.sources.recognise`.
    """

    form: str  # as a user would call it: "NIfTI volume"
    path: Path
    slices: Sequence[SourceSlice]
    ready: bool  # a folder of 8-bit images, of which no copies are needed
    notes: Sequence[str]  # how the files were read, if not obvious
    warnings: Sequence[str]  # gaps, and volumes that could not be formed

    @property
    def volumes(self) -> Mapping[str, Volume]:
        """Return the volumes that slices name."""

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Return the files that were skipped because they are bad."""

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the measured intensities of a slice, shape (height, width).

        Raises `InputError` naming the file when it cannot be read.
        """

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return a slice as 8-bit grey through a window.

        Without a window as the file says, or None if it does not say.
        """
