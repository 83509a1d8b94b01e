"""Reading and writing files so that a reader never sees half of one."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fewshot.errors import FewshotError, InputError

_BLOCK = 1 << 20
_TEMPORARY = ".part"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN}


@contextmanager
def atomic_path(target: Path, needed: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `target`; renamed over it on success, removed on error.

    What is there after a crash at any moment, even of the machine, is the old file or the new one.
    `needed`, where it is known, is the size in bytes that the file will have: without so much room
    nothing is begun. Raises `FewshotError` when the folder cannot be written (full, read-only,
    gone).
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(target, needed)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=_TEMPORARY, dir=target.parent
        )
    except OSError as error:
        raise _unwritable(target, error, needed) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise _unwritable(target, error, needed, temporary) from error
    finally:
        with suppress(OSError):  # the folder itself may be gone
            temporary.unlink(missing_ok=True)


def remove_remains(folder: Path) -> int:
    """Remove the temporary files that killed writers left below a folder; return how many."""
    remains = [path for path in folder.rglob(f".*{_TEMPORARY}") if path.is_file()]
    for path in remains:
        path.unlink(missing_ok=True)
    return len(remains)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends, atomically."""
    content = text.encode("utf-8")
    with atomic_path(target, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; `ValueError` for NaN and infinity."""
    write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the JSON value in `path`; `InputError` when it is missing, not UTF-8 or not JSON.

    A byte order mark in front is passed over; an object that has a key twice is refused.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=without_repeats)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a JSON file (byte {error.start} is not UTF-8)") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: broken JSON at line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise InputError(f"{path}: broken JSON: {error}") from error


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of JSON pairs; `ValueError` for a repeated key, of which one would win."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:40]!r} is there twice in one object")
            seen.add(key)
    return found


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines, none when there is no file.

    A writer that was killed may leave a torn line; it and what follows are left out.
    """
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if isinstance(row, dict):
            rows.append(row)
    return rows


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _check_room(target: Path, needed: int | None) -> None:
    """Raise `OSError` when the file system has less room than a file will take."""
    if needed is not None and shutil.disk_usage(target.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritable(
    target: Path, error: OSError, needed: int | None, temporary: Path | None = None
) -> FewshotError:
    """Return the one-line error of a failed write; on a full disk it says how much is missing."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        reason += f"; {_room(target, needed, temporary)}"
    elif error.errno in _GONE:
        reason += "; is the disk still mounted?"
    return FewshotError(f"{target}: cannot be written ({reason})")


def _room(target: Path, needed: int | None, temporary: Path | None) -> str:
    written = free = 0
    with suppress(OSError):
        written = temporary.stat().st_size if temporary is not None else 0
    with suppress(OSError):
        free = shutil.disk_usage(target.parent).free + written
    wanted = f"more than {as_size(written)}" if needed is None else as_size(needed)
    return f"it needs {wanted} and {as_size(free)} are free; make room and go on"


def as_size(size: int) -> str:
    """Return a number of bytes for people: `12 bytes`, `3.4 MB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
