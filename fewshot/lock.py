"""One writer per folder: a lock that names its holder, and that a dead process loses.

It is a lock of the operating system on the file `.fewshot.lock`, taken by `filelock`, which ends
with its process or with the machine. On file systems without locks `filelock` uses the content of
the file. The file names the holder for people.
"""

import errno
import json
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fewshot.errors import FewshotError
from fewshot.progress import warn

LOCK = ".fewshot.lock"
REVIEW_LOCK = ".review.lock"
"""The lock of a review while a decision is saved."""

_POLL = 0.01  # seconds between looks at a lock that is waited for
_LARGEST = 4096  # bytes of a lock file that are read
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def refuse_if_locked(folder: Path, name: str = LOCK) -> None:
    """Raise `FewshotError` when another process works in a folder; nothing is written."""
    if os.path.lexists(folder / name):
        _taken(folder / name, folder).release()


@contextmanager
def locked(
    folder: Path, target: Path | None = None, name: str = LOCK, patience: float = 0
) -> Iterator[None]:
    """Hold a folder's lock, creating the folder if necessary.

    Raises `FewshotError` with the holder's host, process and start when another process holds it:
    at once, or after `patience` seconds. It names `target` if that is what the user gave. The lock
    of a dead process is taken over with a warning.
    """
    path = folder / name
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FewshotError(f"{target or path}: cannot be written ({error.strerror})") from error
    lock = _taken(path, target or folder, patience)
    try:
        if not isinstance(lock, SoftFileLock):  # which writes itself who holds it
            if left := _holder(path):
                warn(f"{target or folder}: the lock of {left}, which has ended, is taken over")
            _describe(path)
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            lock.release()
        with suppress(OSError):  # folders that nothing came into
            for one in made:
                one.rmdir()


def _taken(path: Path, what: Path, patience: float = 0) -> BaseFileLock:
    """Return a lock, which is ours now; `FewshotError` where it cannot be had."""
    _check(path)
    lock: BaseFileLock = FileLock(path, thread_local=False)
    try:
        try:
            lock.acquire(timeout=patience, poll_interval=_POLL)
        except OSError as error:
            if isinstance(error, Timeout) or error.errno not in _NO_LOCKS:
                raise
            lock = SoftFileLock(path, thread_local=False)
            lock.acquire(timeout=patience, poll_interval=_POLL)
    except Timeout as error:
        who = _holder(path) or "another process"
        raise FewshotError(
            f"{what}: {who} works in it; wait for it to end, stop it, or give another folder"
        ) from error
    except OSError as error:
        raise FewshotError(f"{path}: cannot be written ({error.strerror})") from error
    return lock


def _check(path: Path) -> None:
    """Raise `FewshotError` when something else lies where the lock goes; it is not written to."""
    try:
        found = path.lstat()
        ours = (
            stat.S_ISREG(found.st_mode)
            and found.st_nlink == 1
            and found.st_size < _LARGEST
            and re.match(rb"[{0-9]|$", path.read_bytes())
        )
    except FileNotFoundError:
        return
    except NotADirectoryError:
        return  # said by who makes the folder
    except OSError as error:
        raise FewshotError(f"{path}: cannot be read ({error.strerror})") from error
    if not ours:
        raise FewshotError(f"{path}: is no lock of fewshot's but something else; remove it first")


def _holder(path: Path) -> str:
    """Return the holder of a lock in words, or an empty string."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode()
        if text[:1].isdecimal():  # where a file system knows no locks: number and host, by lines
            pid, host, *_ = text.split()
            return f"process {int(pid)} on {host}"
        holder = json.loads(text)
        return f"process {int(holder['pid'])} on {holder['host']}, since {holder['started']}"
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ""


def _describe(path: Path) -> None:
    """Write the holder to the lock file, unless the disk is full."""
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(holder).encode())
