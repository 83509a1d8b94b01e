"""Reading and writing files atomically: a reader never sees half a file."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from fewshot.errors import FewshotError, InputError
from fewshot.text import check_plain

_BLOCK = 1 << 20
TEMPORARY = ".fewshot.part"
"""Suffix of incomplete files and folders, which are hidden, too."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What file systems answer that cannot sync a folder, or anything: network and FUSE ones.
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EPERM}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN}


@contextmanager
def atomic_path(target: Path, needed: int | None = None, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path next to `target`, renamed over it on success, removed on error.

    What is there after a crash at any moment, even of the machine, is the old file or the new one.
    `needed`, where it is known, is the size in bytes that the file will have: without so much room
    nothing is begun. The file gets the permissions `mode`, else those of the file that it replaces,
    else those of any new file. A link is replaced, and what it points to stays as it is.

    Raises `InputError` when `target` is a device, a pipe or a socket, or its name holds control
    characters, and `FewshotError` when the folder cannot be written (full, read-only, gone).
    """
    _forget_dead_writers(target.parent)
    check_plain(target.name, f"{target.parent}: the file name", "give another one")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        permissions = _permissions(target) if mode is None else mode
        _check_room(target, needed)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name[:50]}.", suffix=TEMPORARY, dir=target.parent
        )
    except OSError as error:
        raise _unwritable(target, error, needed) from error
    temporary = Path(name)
    try:
        with suppress(OSError):  # tells others that its writer lives, where locks are known
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary
        sync(temporary)
        temporary.chmod(permissions)
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error, needed, temporary) from error
    finally:
        os.close(handle)
        with suppress(OSError):  # the folder itself may be gone
            temporary.unlink(missing_ok=True)
    with suppress(OSError):  # the new file is in place whatever this says
        sync(target.parent)


def check_regular(path: Path) -> None:
    """Raise `InputError` for a device, a pipe or a socket where a file is expected.

    A pipe without a writer would be waited for without end; a device may never end.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # whoever opens it says what is wrong
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path}: is no file but {_kind(mode)}; give a file")


def remove_remains(folder: Path) -> int:
    """Remove what killed writers left below a folder; return the number of files and folders."""
    remains = [path for path in folder.rglob(f".*{TEMPORARY}") if not path.is_symlink()]
    for path in remains:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(remains)


def write_text(target: Path, text: str, mode: int | None = None) -> None:
    """Write `text` as UTF-8 with LF line ends, atomically; `mode` as in `atomic_path`."""
    content = text.encode("utf-8")
    with atomic_path(target, len(content), mode) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, value: Any, mode: int | None = None) -> None:
    """Write `value` as indented JSON, atomically; `ValueError` for NaN and infinity."""
    write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n", mode)


def read_json(path: Path) -> Any:
    """Return the JSON value in `path`; `InputError` when it is missing, not UTF-8 or not JSON.

    A byte order mark in front is passed over; an object that has a key twice is refused.
    """
    try:
        check_regular(path)
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
    """Return the object of JSON pairs; `ValueError` for repeated keys."""
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


@lru_cache(maxsize=1000)
def _forget_dead_writers(folder: Path) -> None:
    """Remove what killed writers left of single files in a folder, once per process."""
    for path in folder.glob(f".*{TEMPORARY}") if folder.is_dir() else []:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(descriptor)


def _check_room(target: Path, needed: int | None) -> None:
    """Raise `OSError` when the file system has less space than a file needs."""
    if needed is not None and shutil.disk_usage(target.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritable(
    target: Path, error: OSError, needed: int | None, temporary: Path | None = None
) -> FewshotError:
    """Return the one-line error for a failed write, with the missing space on a full disk."""
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
    """Return a number of bytes in words: `12 bytes`, `3.4 MB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk, if the file system can."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def _permissions(target: Path) -> int:
    """Return the permissions of a new file: those of the old one, or from the umask."""
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return 0o666 & ~_umask()
    if stat.S_ISREG(mode):
        return stat.S_IMODE(mode)
    if not stat.S_ISLNK(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{target}: is no file but {_kind(mode)}; give a file to write to")
    return 0o666 & ~_umask()


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for fits, name in kinds if fits(mode)), "a device")


def _umask() -> int:
    """Return the umask without changing it, as asking the system would."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="ignore")
        for line in status.splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
