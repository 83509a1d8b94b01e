"""NumPy's .npy and .npz files, one or a folder, read slice by slice."""

import io
import weakref
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.display import luminance
from fewshot.slices.found import is_hidden
from fewshot.slices.images import in_slice_order
from fewshot.slices.label_names import files_beside
from fewshot.slices.limits import check_slice, check_slice_count
from fewshot.slices.remarks import remark
from fewshot.slices.sources.source import Skipped, SourceSlice
from fewshot.slices.volume import Volume
from fewshot.slices.window import Window, apply_window

_SUFFIXES = (".npy", ".npz")
_MOST_PACKED = 1033  # DEFLATE's best: 258 bytes from two bits
_LONGEST_HEADER = 1 << 16  # bytes; NumPy's own limit is 10,000 characters
IMAGE_KEYS = ("images", "image", "imgs", "img", "data", "x", "arr_0")
LABEL_KEYS = ("labels", "label", "masks", "mask", "gts", "gt", "y", "arr_0")


def is_array(path: Path) -> bool:
    """Return whether the path is named like a .npy or .npz file, or a folder containing one."""
    if path.is_dir():
        return any(is_array(one) for one in path.iterdir() if one.is_file())
    return path.suffix.lower() in _SUFFIXES and not is_hidden(path)


def array_files(path: Path) -> list[Path]:
    """Return the file itself, or the array files of a folder in natural order."""
    if not path.is_dir():
        return [path]
    found = {one.name: one for one in path.iterdir() if one.is_file() and is_array(one)}
    return [found[name] for name in in_slice_order(found)]


class ArrayFile:
    """One array of slices: (height, width), (slices, height, width), colour in a last axis.

    A last axis of 3 or 4 is colour, one of 1 a single channel. A .npz with several arrays is
    searched for `keys`.
    """

    def __init__(self, path: Path, keys: Sequence[str] = IMAGE_KEYS) -> None:
        self.path = path
        self.member = ""  # the array's name in a .npz
        try:
            self._stack = _Packed(path, keys) if _is_packed(path) else _mapped(path)
        except InputError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file") from error
        except Exception as error:
            raise _unreadable(path, error) from error
        if isinstance(self._stack, _Packed):
            self.member = self._stack.member
        shape, kind = tuple(self._stack.shape), np.dtype(self._stack.dtype)
        if kind.kind not in "biuf" or kind.itemsize > 8:
            raise InputError(f"{path}: holds {kind} values; give plain numbers")
        self.colour = len(shape) > 2 and shape[-1] in (3, 4)
        self._one_channel = len(shape) > 2 and shape[-1] == 1 < shape[-2]
        grey = shape[:-1] if self.colour or self._one_channel else shape
        self.channels = int(shape[-1]) if self.colour else 1
        if len(grey) not in (2, 3) or min(shape) < 1:
            raise InputError(f"{path}: has shape {shape}; give (slices, height, width)")
        self.count: int | None = grey[0] if len(grey) == 3 else None
        self.height, self.width = int(grey[-2]), int(grey[-1])
        self.dtype = kind
        size, pixel_bytes = path.stat().st_size, kind.itemsize * (shape[-1] if self.colour else 1)
        check_slice(self.height, self.width, pixel_bytes, size, str(path))
        check_slice_count(self.count or 1, size, str(path))

    def read(self, index: int) -> NDArray[Any]:
        """Return one slice, shape (height, width), colour as its luminance."""
        try:
            picture = np.array(self._stack if self.count is None else self._stack[index])
        except InputError:
            raise
        except Exception as error:
            raise _unreadable(self.path, error) from error
        if self._one_channel:
            return picture[..., 0]
        return luminance(picture) if self.colour else picture


class ArrayStack:
    """The slices of one array file or of all in a folder, where each file is a group."""

    form = "NumPy array"
    ready = False
    volumes: Mapping[str, Volume] = {}
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def __init__(self, path: Path, skip_bad: bool = False) -> None:
        self.path = path
        self.skipped: list[Skipped] = []
        slices: list[SourceSlice] = []
        for file in files_beside(array_files(path))[0]:
            try:
                one = ArrayFile(file)
                _check_axes(file, one)
            except InputError as error:
                if not skip_bad:
                    raise
                self.skipped.append(Skipped(str(error)))
                continue
            slices += _slices(file, one, in_folder=path.is_dir())
        self.slices: Sequence[SourceSlice] = slices
        self._open = lru_cache(maxsize=1)(ArrayFile)

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the values of a slice as in the array."""
        file, index = item.key
        return self._open(file).read(index)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return a slice through the window, or without one uint8 values unchanged."""
        values = self.values(item)
        if window is not None:
            return apply_window(values, window)
        return values if values.dtype == np.uint8 else None


def _check_axes(file: Path, one: ArrayFile) -> None:
    """Say how ambiguous axes are read; refuse channels that are not colour.

    Raises `InputError` for four channels of more than 8 bits, which no picture has.
    """
    if one.colour and one.dtype != np.uint8:
        if one.channels == 4:
            raise InputError(
                f"{file}: its last axis holds 4 channels of {one.dtype}; give one channel"
            )
        remark(f"a last axis of 3 {one.dtype} is read as colour, its luminance taken", str(file))
    if one.count == one.height != one.width and one.count > 1:
        remark(
            f"read as {one.count} slices of {one.height} x {one.width}; if the last axis counts "
            "the slices, move it to the front",
            str(file),
        )


def _slices(file: Path, one: ArrayFile, in_folder: bool) -> list[SourceSlice]:
    if one.count is None:
        return [SourceSlice(f"{file.stem}.png", str(file), (file, 0), file=file)]
    group = file.stem if in_folder else None
    prefix = f"{file.stem}_" if in_folder else ""
    return [
        SourceSlice(
            f"{prefix}{index}.png", f"{file}: slice {index}", (file, index), group=group, file=file
        )
        for index in range(one.count)
    ]


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _mapped(path: Path) -> Any:
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty")
    with path.open("rb") as file:
        shape, in_columns, kind, start = _header(path, file.read(_LONGEST_HEADER))
    order: Literal["C", "F"] = "F" if in_columns else "C"
    return np.memmap(path, kind, "r", start, shape, order)


def _header(path: Path, head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether columns come first, number type, and offset of the values.

    `head` are the first bytes of a file: a header may announce any length.
    """
    stream = io.BytesIO(head)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, in_columns, kind = read(stream)
    if kind.hasobject:
        raise InputError(f"{path}: holds Python objects; give plain numbers")
    return shape, in_columns, kind, stream.tell()


class _Packed:
    """One array of a .npz, with slices read from the packed stream in turn."""

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self._path = path
        with ExitStack() as open_files:
            archive = open_files.enter_context(zipfile.ZipFile(path))
            self.member = _member(path, archive.namelist(), keys)
            member = archive.getinfo(self.member)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{path}: is packed as NumPy never does; save it again")
            self._stream = open_files.enter_context(archive.open(member))
            self._read_header(path, member)
            weakref.finalize(self, open_files.pop_all().close)

    def _read_header(self, path: Path, member: zipfile.ZipInfo) -> None:
        head = self._stream.read(_LONGEST_HEADER)
        self.shape, in_columns, self.dtype, self._start = _header(path, head)
        if in_columns and len(self.shape) > 1:
            raise InputError(f"{path}: is in Fortran order; save np.ascontiguousarray of it")
        size = self._start + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        if size > member.file_size or size > member.compress_size * _MOST_PACKED:
            raise InputError(f"{path}: is cut short: shape {self.shape} needs {size} bytes")

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self._read(self.shape[1:], index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._read(self.shape, 0)

    def _read(self, shape: tuple[int, ...], index: int) -> NDArray[Any]:
        size = int(np.prod(shape)) * self.dtype.itemsize
        self._stream.seek(self._start + index * size)
        return np.frombuffer(self._stream.read(size), dtype=self.dtype).reshape(shape)


def _member(path: Path, names: Sequence[str], keys: Sequence[str]) -> str:
    arrays = {name[: -len(".npy")]: name for name in names if name.endswith(".npy")}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    for key in keys:
        for name, member in arrays.items():
            if name.lower() == key:
                return member
    raise InputError(
        f"{path}: holds {', '.join(sorted(arrays)[:5]) or 'no array'}; name one of them {keys[0]}"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path}: cannot be read as a NumPy array ({reason}); save it again")
