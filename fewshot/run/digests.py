"""Digests of the files and folders that stages read and write."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from fewshot.files import sha256_file

MISSING = "missing"


class Digests:
    """Digests of contents, cached for a run, so that large folders are read once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def of(self, path: Path) -> str:
        """Return the digest of a file or folder, or `missing`.

        A file is read again only if its inode, size or time changed.
        """
        return _digest(path, self._file)

    def fresh(self, path: Path) -> str:
        """Return the digest of a file or folder, read again in any case."""
        return _digest(path, self._read)

    def _file(self, path: Path) -> str:
        stamp, digest = self._known.get(path, (None, ""))
        return digest if stamp == _stamp(path) else self._read(path)

    def _read(self, path: Path) -> str:
        stamp, digest = _stamp(path), sha256_file(path)
        self._known[path] = stamp, digest
        return digest


def _digest(path: Path, digest: Callable[[Path], str]) -> str:
    """Hidden files of a folder do not count: nothing in fewshot reads them."""
    if not path.is_dir():
        return digest(path) if path.is_file() else MISSING
    names = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    seen = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    parts = [(name.as_posix(), digest(path / name)) for name in seen]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
