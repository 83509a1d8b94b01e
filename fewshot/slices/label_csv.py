"""Label maps in the challenge's CSV: a row per pixel in C order, a column per image."""

import gzip
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.files import atomic_path
from fewshot.slices.images import image_stem
from fewshot.slices.label_digits import format_digits
from fewshot.slices.label_rows import (
    LabelForm,
    count_lines,
    index_prefix,
    line_blocks,
    parse_rows,
    read_layout,
)
from fewshot.slices.packed_maps import MapChecker, PackedMaps

# Text is written in blocks of about so many cells, which stay in the processor's cache, but of not
# much fewer rows, for each column costs a call a block.
_BLOCK_CELLS = 1 << 16
_BLOCK_ROWS = 256
# Nor of so many that the blocks of thousands of columns fill the memory.
_MOST_CELLS = 1 << 19


@dataclass(frozen=True, eq=False)
class LabelTable:
    """The label maps of many images.

    `names` are the columns as in the file; `pixels` has shape (images, pixels), dtype
    uint8, each row one label map in C order, 0 for background. `source` names the file in errors.
    """

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]
    source: str = "label table"

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or len(self.names) != len(self.pixels):
            raise InputError(
                f"{self.source}: {len(self.names)} names for pixels of shape {self.pixels.shape};"
                " give one row of pixels per name"
            )

    def label_map(self, name: str, height: int, width: int) -> NDArray[np.uint8]:
        """Return one image's label map, shape (height, width), dtype uint8.

        `3.png` also finds a column `3`, and vice versa.
        Raises `InputError` when the image has no column or its pixels do not fill the size.
        """
        row = self.pixels[self._row(name)]
        if height * width != row.size:
            raise InputError(
                f"{self.source}: image {name!r} is {height} x {width} but its column holds"
                f" {row.size} pixels; labels and images must be of the same size"
            )
        label_map: NDArray[np.uint8] = row.reshape(height, width).copy()
        return label_map

    def is_labelled(self, name: str) -> bool:
        """Return whether the image has a region: an all-zero column means unlabelled.

        Raises `InputError` when the image has no column.
        """
        return bool(self.pixels[self._row(name)].any())

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image_stem(name): row for row, name in enumerate(self.names)}

    def _row(self, name: str) -> int:
        row = self._rows.get(image_stem(name))
        if row is None:
            raise InputError(f"{self.source}: no column for image {name!r}; add it to the labels")
        return row


def read_label_csv(path: Path) -> LabelTable:
    """Return the label maps in a label CSV, plain or gzipped, with either header form.

    The header is `,0.png,1.png,...` with index `Pixel 0`, `Pixel 1`, ..., or `,0,1,...` with
    index `0`, `1`, ...; ids are integers from 0 to 255. The file is read twice in blocks, to count
    and to parse its rows, so that memory is the result (one byte a pixel) and one block. Raises
    `InputError` naming the first wrong line and column.
    """
    layout = read_layout(path)
    pixels = sum(count_lines(block) for block in line_blocks(path)) - 1
    try:
        table = np.empty((len(layout.names), pixels), dtype=np.uint8)
    except MemoryError as error:
        raise InputError(
            f"{path}: {len(layout.names)} images of {pixels} pixels do not fit in memory; split it"
        ) from error
    pixel = 0
    for rows in _row_blocks(path):
        ids = parse_rows(rows, layout, pixel)
        stop = pixel + ids.shape[1]
        if stop > pixels:
            break
        table[:, pixel:stop] = ids
        pixel = stop
    if pixel != pixels:
        raise InputError(f"{path}: changed while it was being read; read it again")
    return LabelTable(layout.names, table, source=str(path))


def write_label_csv(
    path: Path,
    names: Sequence[str],
    label_maps: Sequence[NDArray[np.integer[Any]]] | PackedMaps,
    form: LabelForm = "named",
) -> None:
    """Write label maps as a label CSV, gzipped when `path` ends in .gz, atomically.

    `label_maps` has one (height, width) map with ids 0 to 255 per name, all of one size, or packed
    ones of a few kilobytes each. The named form writes `0.png` and `Pixel 0` (names without an
    image suffix get .png), the plain form `0` and `0`. The text is that of pandas' `to_csv`; the
    same input gives the same bytes, gzipped too.

    Raises `InputError` if names and maps do not pair up, for repeated names, names that need
    quotes, maps of different sizes, or ids outside 0 to 255.
    """
    header = _header(path, names, form)
    if len(names) != len(label_maps):
        raise InputError(
            f"{path}: {len(names)} names for {len(label_maps)} label maps; give one map per name"
        )
    columns = _columns(path, names, label_maps)
    pixels = columns.pixels
    rows = max(min(_BLOCK_ROWS, _MOST_CELLS // len(names)), _BLOCK_CELLS // len(names), 1)
    prefix = index_prefix(form)
    with (
        atomic_path(path, _least_bytes(path, header, len(names), pixels)) as temporary,
        _output(temporary, path.suffix == ".gz") as file,
        ThreadPoolExecutor(1) as writer,
    ):
        # The next block is prepared while this one is compressed or written.
        written = writer.submit(file.write, header.encode())
        for start in range(0, pixels, rows):
            ids = columns.block(start, min(start + rows, pixels))
            text = format_digits(ids, prefix, start)
            written.result()
            written = writer.submit(file.write, text)
        written.result()


def _row_blocks(path: Path) -> Iterator[bytes]:
    for number, block in enumerate(line_blocks(path)):
        rows = block if number else block.partition(b"\n")[2]
        if rows:
            yield rows


def _header(path: Path, names: Sequence[str], form: LabelForm) -> str:
    if not names:
        raise InputError(f"{path}: no image to write; give at least one label map")
    stems: set[str] = set()
    cells = [""]
    for name in names:
        stem = image_stem(name)
        if not name.strip() or not name.isprintable() or "," in name or '"' in name:
            raise InputError(f"{path}: image {name!r} cannot head a CSV column; rename it")
        if stem in stems:
            raise InputError(f"{path}: image {name!r} is given twice; keep one label map per image")
        stems.add(stem)
        cells.append(stem if form == "plain" else name if stem != name else f"{name}.png")
    return ",".join(cells) + "\n"


@dataclass(frozen=True)
class _Columns:
    """Flat label maps that are in memory anyway."""

    maps: Sequence[NDArray[np.uint8]]

    @property
    def pixels(self) -> int:
        return self.maps[0].size

    def block(self, start: int, stop: int) -> NDArray[np.uint8]:
        return np.stack([one[start:stop] for one in self.maps])


def _columns(
    path: Path,
    names: Sequence[str],
    label_maps: Sequence[NDArray[np.integer[Any]]] | PackedMaps,
) -> _Columns | PackedMaps:
    if isinstance(label_maps, PackedMaps):
        return label_maps
    check = MapChecker(str(path))
    return _Columns([check.flat(name, one) for name, one in zip(names, label_maps, strict=True)])


def _least_bytes(path: Path, header: str, columns: int, pixels: int) -> int | None:
    """Return the size of the text with ids of one digit; unknown when it is compressed."""
    if path.suffix == ".gz":
        return None
    return len(header) + pixels * (2 * columns + len(str(pixels)))


@contextmanager
def _output(path: Path, compressed: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as raw:
        if not compressed:
            yield raw
            return
        # Without name and time, so that the same labels give the same file.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
            yield cast(BinaryIO, file)
