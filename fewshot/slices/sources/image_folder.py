"""PNG, JPEG, TIFF and BMP files, of 8 bits or more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import (
    IMAGE_SUFFIXES,
    image_stem,
    is_eight_bit,
    list_images,
    read_image,
    read_values,
)
from fewshot.slices.label_names import files_beside
from fewshot.slices.remarks import remark
from fewshot.slices.sources.source import Skipped, SourceSlice
from fewshot.slices.volume import Volume
from fewshot.slices.window import Window, apply_window


def is_image_folder(path: Path) -> bool:
    """Return whether the path is an image file, or a folder containing one."""
    if path.is_dir():
        return any(is_image_folder(one) for one in path.iterdir() if one.is_file())
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


class ImageFolder:
    """The image files of one folder, or one image file."""

    form = "image folder"
    volumes: Mapping[str, Volume] = {}
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def __init__(self, path: Path, skip_bad: bool = False) -> None:
        self.path = path
        self.slices: Sequence[SourceSlice] = []
        self.skipped: list[Skipped] = []
        self.ready = path.is_dir()
        for file in files_beside(list_images(path))[0] if path.is_dir() else [path]:
            try:
                eight_bit = is_eight_bit(file)
            except InputError as error:
                if not skip_bad:
                    raise
                self.skipped.append(Skipped(str(error)))
                continue
            self.ready = self.ready and eight_bit
            self.slices.append(SourceSlice(file.name, str(file), (file, eight_bit), file=file))
        self.deep = [item for item in self.slices if not item.key[1]]
        if self.deep and len(self.deep) < len(self.slices):
            kind = f"{len(self.slices) - len(self.deep)} images of 8 bits are shown as they are"
            remark(f"{kind}, {len(self.deep)} deeper ones through the window", str(path))
        if not self.ready:
            self.slices = [_as_png(item) for item in self.slices]

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the grey values of the file, shape (height, width)."""
        return read_values(item.key[0])

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return an 8-bit file unchanged, a deeper one through the window."""
        file, eight_bit = item.key
        if eight_bit:
            return read_image(file)
        return apply_window(read_values(file), window) if window else None


def _as_png(item: SourceSlice) -> SourceSlice:
    return replace(item, name=f"{image_stem(item.name)}.png")
