"""Checkpoints as data: written atomically, and read without running code."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch

from fewshot.errors import InputError
from fewshot.files import atomic_path


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values with `torch.save`, atomically and reproducibly.

    Raises `FewshotError` with the space needed if the disk is full.
    """
    with (
        atomic_path(path, _bytes_of(content)) as temporary,
        temporary.open("wb") as file,
        _own_errors(file) as output,
    ):
        # Given a path, PyTorch would write its name into the file and hide errors of the disk.
        torch.save(content, output)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote, on the CPU; `InputError` for anything else."""
    try:
        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except Exception as error:  # a damaged file can raise nearly anything
        raise InputError(
            f"{path}: not a usable checkpoint (truncated, damaged or with code in it); "
            "delete it and train again, or give another file"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint (it contains no named weights)")
    return content


def _check_archive(path: Path) -> None:
    """Raise `ValueError` for a compressed archive: `torch.save` only stores, but loading unpacks.

    A file without an archive's first bytes is read in another way that unpacks nothing.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    packed = any(one.compress_type != zipfile.ZIP_STORED for one in entries)
    if packed or sum(one.file_size for one in entries) > path.stat().st_size:
        raise ValueError("the archive is packed")


class _Output:
    """A file that remembers a write's error, which PyTorch replaces by another one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, block: Any) -> int:
        try:
            return self._file.write(block)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def _own_errors(file: BinaryIO) -> Iterator[Any]:
    output = _Output(file)
    try:
        yield output
    except RuntimeError as error:
        raise output.error or error from error


def _bytes_of(content: Any) -> int:
    """Return the size of the tensors in nested containers, in bytes."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(_bytes_of(value) for value in content.values())
    if isinstance(content, list | tuple):
        return sum(_bytes_of(value) for value in content)
    return 0
