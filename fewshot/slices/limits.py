"""Limits of what a file may request: a small file must fill neither memory nor time.

One slice has at most `max_pixels`. Everything larger than the bytes read (packed pixels, announced
slices, header extensions, decoded masks) shares one budget: a file may expand to 400 times its
size, and any file to `max_expanded` bytes. File readers check before they allocate what a header
announces, and read packed streams through `BoundedStream`.
"""

import os
from collections.abc import Callable
from typing import Protocol

from fewshot.errors import InputError

MAX_PIXELS_VARIABLE = "FEWSHOT_MAX_PIXELS"
MAX_EXPANDED_VARIABLE = "FEWSHOT_MAX_EXPANDED"
_DEFAULT_MAX_PIXELS = 1 << 26  # 8192 x 8192
_DEFAULT_MAX_EXPANDED = 1 << 26
# DEFLATE packs 1033 bytes into one at best; tables and label volumes that are nearly empty reach
# 300, pictures 100.
_MOST_EXPANDED = 400
_SLICE_BYTES = 1 << 13  # bytes of a slice in lists and files
_MASK_PIXELS = 32  # pixels of a mask that count as a byte; masks are decoded singly


def max_pixels() -> int:
    """Return the most pixels one slice may have: the variable FEWSHOT_MAX_PIXELS, or 2**26.

    Raises `InputError` when the variable is no positive integer.
    """
    return _from_environment(MAX_PIXELS_VARIABLE, _DEFAULT_MAX_PIXELS, "pixels")


def max_expanded() -> int:
    """Return the bytes that any file may expand to: the variable FEWSHOT_MAX_EXPANDED, or 2**26.

    Raises `InputError` when the variable is no positive integer.
    """
    return _from_environment(MAX_EXPANDED_VARIABLE, _DEFAULT_MAX_EXPANDED, "bytes")


def allowed_bytes(read: int) -> int:
    """Return how many bytes a file of `read` bytes may expand to."""
    return max(max_expanded(), _MOST_EXPANDED * read)


def check_pixels(height: int, width: int, where: str) -> None:
    """Raise `InputError` naming `where` when a slice is empty or larger than `max_pixels`."""
    if min(height, width) < 1:
        raise InputError(f"{where}: is {height} x {width} pixels; give slices with pixels")
    if height * width > max_pixels():
        raise InputError(
            f"{where}: {height} x {width} pixels are more than the limit of {max_pixels()}; "
            f"if the size is right, set {MAX_PIXELS_VARIABLE} higher"
        )


def check_expanded(expanded: int, read: int, where: str, what: str) -> None:
    """Raise `InputError` when a file of `read` bytes exceeds its budget.

    Args:
        expanded: the bytes requested.
        read: the size of the file, bytes.
        where: the file, for the message.
        what: what was requested, for the message: `5000 slices`.
    """
    if expanded > allowed_bytes(read):
        raise _too_much(where, what, read, expanded)


def check_slice(height: int, width: int, pixel_bytes: int, read: int, where: str) -> None:
    """Check one slice of a file of `read` bytes: its pixels and their bytes."""
    check_pixels(height, width, where)
    what = f"{height} x {width} pixels of {pixel_bytes} bytes"
    check_expanded(height * width * pixel_bytes, read, where, what)


def check_slice_count(count: int, read: int, where: str) -> None:
    """Check the number of slices that a file of `read` bytes announces, before listing them."""
    check_expanded(count * _SLICE_BYTES, read, where, f"{count} slices")


def check_mask_pixels(pixels: int, read: int, where: str) -> None:
    """Check the pixels of all run-length masks in a file of `read` bytes."""
    check_expanded(pixels // _MASK_PIXELS, read, where, f"{pixels} pixels of masks")


class Readable(Protocol):
    """A file that gives its bytes in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all that are left for a negative one."""


class BoundedStream:
    """A packed stream with a budget: `InputError` beyond it.

    `file` gives the unpacked bytes and `packed` the number of packed ones read so far, so that a
    bomb is noticed at once. `share` is the fraction of the budget that may be used.
    """

    def __init__(
        self, file: Readable, packed: Callable[[], int], where: str, share: float = 1.0
    ) -> None:
        self._file, self._packed, self._where, self._share = file, packed, where, share
        self._place = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all that are left for a negative one."""
        most = max(self._most() - self._place, 0) + 1
        block = self._file.read(most if size < 0 else min(size, most))
        self._place += len(block)
        if self._place > self._most():
            raise _too_much(self._where, "its packed content", self._packed(), self._place)
        return block

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._place

    def _most(self) -> int:
        return int(allowed_bytes(self._packed()) * self._share)


def _too_much(where: str, what: str, read: int, expanded: int) -> InputError:
    return InputError(
        f"{where}: asks for {what}, {expanded} bytes or more from a file of {read}; the limit is "
        f"{allowed_bytes(read)}: if it is right, set {MAX_EXPANDED_VARIABLE} higher"
    )


def _from_environment(variable: str, default: int, unit: str) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not text.isascii() or len(text) > 18 or int(text) == 0:
        raise InputError(f"{variable}: is {text[:40]!r}; give a number of {unit}")
    return int(text)
