"""The text layout of a label CSV: its header, its pixel index, and blocks of its rows."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import image_stem
from fewshot.slices.label_digits import parse_digits
from fewshot.slices.limits import BoundedStream, Readable

# Text is read and parsed in blocks of about this many bytes, which stay in the processor's cache; a
# single line must be shorter.
BLOCK_BYTES = 1 << 19
_GZIP_MAGIC = b"\x1f\x8b"
_NEWLINE = ord("\n")
_FIRST_PIXEL = re.compile(rb'"?(?:Pixel )?0"?,')
# Headings of the first column in other tables, of groups and boxes.
_OTHER_TABLE = re.compile(r"(?:image|file|slice|patient|case)(?:s|_?name|_?id)?", re.IGNORECASE)
_QUOTED_CELL = re.compile(rb'(?<![^,\n])"([^",\r\n]*)"(?=[,\r\n]|\Z)')

LabelForm: TypeAlias = Literal["named", "plain"]


@dataclass(frozen=True)
class LabelLayout:
    """The layout of a label CSV: file, header and pixel index.

    `names` are the image columns; `first_cell` is the header cell above the index (empty in the
    challenge's files); `index` is named for `Pixel 0, Pixel 1, ...` and plain for `0, 1, ...`.
    """

    path: Path
    first_cell: str
    names: tuple[str, ...]
    index: LabelForm


def index_prefix(form: LabelForm) -> bytes:
    """Return the text before the number in each cell of the pixel index."""
    return b"Pixel " if form == "named" else b""


def line_blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a text file, gzipped or not, in blocks of whole lines.

    Raises `InputError` when the file is missing, unreadable, a broken or truncated gzip file, or
    has a line longer than a block.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            file: Readable = raw
            if compressed:
                file = BoundedStream(gzip.GzipFile(fileobj=raw), raw.tell, str(path))
            yield from _whole_lines(file, path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the gzip data are broken or cut short ({error}); copy or write it again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _whole_lines(file: Readable, path: Path) -> Iterator[bytes]:
    rest = b""
    while block := file.read(BLOCK_BYTES):
        text = rest + block
        end = text.rfind(b"\n") + 1
        rest = text[end:]
        if end:
            yield text[:end]
        elif len(rest) > BLOCK_BYTES:
            raise InputError(
                f"{path}: a line is longer than {BLOCK_BYTES >> 10} KiB; this is not a label CSV"
            )
    if rest:
        yield rest


def read_layout(path: Path) -> LabelLayout:
    """Return the layout of a label CSV from its first two lines.

    Raises `InputError` when the file is empty, has no pixel row, or the header is not one.
    """
    blocks = line_blocks(path)
    header, _, rows = next(blocks, b"").partition(b"\n")
    if not header.strip():
        raise InputError(f"{path}: no header; expected ',0.png,1.png,...' on the first line")
    rows = rows or next(blocks, b"")
    if not rows:
        raise InputError(f"{path}: no pixel row below the header; write one row per pixel")
    try:
        cells = _split_line(header.decode("utf-8-sig"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: line 1 is not a CSV header ({error})") from error
    names = tuple(cells[1:])
    _check_header(path, cells[0], names)
    if _OTHER_TABLE.fullmatch(cells[0].strip()) and not _FIRST_PIXEL.match(rows):
        raise InputError(
            f"{path}: line 1 heads a table of {_shown(cells[0])} and {_shown(names[0])}, perhaps"
            " one of groups or boxes; a label CSV has a column for each image, a row for each pixel"
        )
    plain = rows.lstrip(b'"').startswith(b"0")
    return LabelLayout(path, cells[0], names, "plain" if plain else "named")


def count_lines(block: bytes) -> int:
    """Return the number of lines in a block; the last may lack its line end."""
    newlines = np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE)
    return int(newlines) + (not block.endswith(b"\n"))


def parse_rows(block: bytes, layout: LabelLayout, first_pixel: int) -> NDArray[np.uint8]:
    """Return the ids in a block of whole lines, shape (images, rows), dtype uint8, C order.

    `first_pixel` is the pixel number of the block's first row.
    Raises `InputError` that names the first wrong line and column.
    """
    fast = parse_fast(block, layout, first_pixel)
    return parse_carefully(block, layout, first_pixel) if fast is None else fast


def parse_fast(block: bytes, layout: LabelLayout, first_pixel: int) -> NDArray[np.uint8] | None:
    """Return the same as `parse_rows`, or None if anything about the block is odd.

    Windows line ends and quoted plain cells are not odd.
    """
    if b"\r" in block:
        if block.count(b"\r") != block.count(b"\r\n"):
            return None
        block = block.replace(b"\r\n", b"\n")
    if b'"' in block:
        block = _QUOTED_CELL.sub(rb"\1", block)
    if not block.endswith(b"\n"):
        block += b"\n"
    return parse_digits(block, len(layout.names), index_prefix(layout.index), first_pixel)


def parse_carefully(block: bytes, layout: LabelLayout, first_pixel: int) -> NDArray[np.uint8]:
    """Return the same as `parse_rows`, line by line: slowly, with exact errors.

    Accepts everything that `parse_fast` accepts, with the same result.
    """
    lines = block.decode("utf-8", errors="replace").removesuffix("\n").split("\n")
    ids = np.empty((len(layout.names), len(lines)), dtype=np.uint8)
    for row, line in enumerate(lines):
        ids[:, row] = _parse_line(line, layout, first_pixel + row)
    return ids


def _parse_line(line: str, layout: LabelLayout, pixel: int) -> list[int]:
    where = f"{layout.path}: line {pixel + 2}"
    try:
        cells = _split_line(line)
    except csv.Error as error:
        raise InputError(f"{where} is not CSV ({error}); write the file again") from error
    if cells == [""]:
        raise InputError(f"{where} is blank; remove it or write the file again")
    if len(cells) != len(layout.names) + 1:
        raise InputError(
            f"{where} has {len(cells)} cells where the header has {len(layout.names) + 1};"
            " the file may be cut short: write it again"
        )
    index = _index_cell(pixel, layout.index)
    if cells[0] != index:
        raise InputError(
            f"{where}, column 1: index {_shown(cells[0])} where {index!r} belongs;"
            " write one row per pixel, in order"
        )
    return [
        _parse_id(cell, where, name) for cell, name in zip(cells[1:], layout.names, strict=True)
    ]


def _index_cell(pixel: int, form: LabelForm) -> str:
    return f"Pixel {pixel}" if form == "named" else str(pixel)


def _parse_id(cell: str, where: str, name: str) -> int:
    digits = cell.strip(" \t").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise InputError(
            f"{where}, column {name!r}: {_shown(cell)} is not an integer; write ids from 0 to 255"
        )
    significant = digits.lstrip("0") or "0"
    if len(significant) > 3 or int(significant) > 255:
        raise InputError(
            f"{where}, column {name!r}: id {_shown(cell)} is above 255;"
            " renumber the regions of this image from 1"
        )
    return int(significant)


def _check_header(path: Path, first_cell: str, names: tuple[str, ...]) -> None:
    if not names:
        raise InputError(
            f"{path}: line 1 has one cell and no image; separate the columns with commas"
        )
    if first_cell.isdecimal() or image_stem(first_cell) != first_cell:
        raise InputError(
            f"{path}: line 1, column 1: image {_shown(first_cell)} where the cell above the pixel"
            " index belongs; write the index as the first column, its header cell empty"
        )
    seen: dict[str, str] = {}
    for number, name in enumerate(names, start=2):
        if not name.strip():
            raise InputError(f"{path}: line 1, column {number}: no image name; give it one")
        other = seen.setdefault(image_stem(name), name)
        if len(seen) != number - 1:
            raise InputError(
                f"{path}: line 1, column {number}: {name!r} is the same image as {other!r} before"
                " it; keep one column per image"
            )


def _split_line(line: str) -> list[str]:
    line = line.removesuffix("\r")
    if "\r" in line:
        raise csv.Error("a carriage return within the line")
    return next(csv.reader([line], strict=True), []) or [""]


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 24 else f"{cell[:24]}...")
