"""One writer a folder: a lock that says who holds it, and that a dead process loses.

The lock is a POSIX record lock on the file `.fewshot.lock`: the system frees it when its process
ends, however that ends, and child processes do not inherit it. The file says who holds it. Where
the file system knows no locks, or the holder is on another machine, that text decides: a process of
this machine is looked up by number and start time (numbers are used again), and one of another
machine is taken for dead when it has not touched the file for a while.
"""

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from fewshot.errors import FewshotError
from fewshot.progress import warn

LOCK = ".fewshot.lock"
_BEAT = 20.0  # seconds between touches by the holder
_PATIENCE = 120.0  # seconds without a touch after which a process of another machine is dead
_TAKEN = {errno.EACCES, errno.EAGAIN}
_START_FIELD = 19  # of /proc/PID/stat behind the name: clock ticks from boot to start


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        host: its machine's name.
        boot: identifies the machine's run since it was switched on.
        pid: its number.
        ticks: when it started, clock ticks after that.
        started: when it took the lock, for people.
    """

    host: str
    boot: str
    pid: int
    ticks: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.started}"


def refuse_if_locked(folder: Path) -> None:
    """Raise `FewshotError` when another process works in a folder; nothing is written."""
    path = folder / LOCK
    try:
        with path.open("r+b") as file:
            holder = _read(file)
            if not _try_lock(file) or (holder is not None and _is_alive(holder, path)):
                raise _refusal(folder, holder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise FewshotError(f"{path}: cannot be read ({error.strerror})") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, making the folder where there is none.

    Raises `FewshotError` at once, with the holder's host, process and start, when another process
    holds it. A lock that a dead process left is taken over with a word about it.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    file = _acquire(folder)
    stop = threading.Event()
    threading.Thread(target=_beat, args=(folder / LOCK, stop), daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            file.close()
        with suppress(OSError):  # folders that nothing came into
            for one in made:
                one.rmdir()


def _acquire(folder: Path) -> BinaryIO:
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            holder = _read(file)
            if not _try_lock(file) or (holder is not None and _is_alive(holder, path)):
                file.close()
                raise _refusal(folder, holder)
            if _is_still(file, path):
                break
            file.close()  # its holder removed it between our opening and locking it
        if holder is not None:
            warn(f"{folder}: the lock of {holder}, which has ended, is taken over")
        file.seek(0)
        file.truncate()
        file.write(json.dumps(asdict(_ourselves())).encode())
        file.flush()
        return file
    except OSError as error:
        raise FewshotError(f"{path}: cannot be written ({error.strerror})") from error


def _try_lock(file: BinaryIO) -> bool:
    """Return whether the lock is ours, or cannot be had from this file system at all."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _read(file: BinaryIO) -> Holder | None:
    try:
        return Holder(**json.loads(file.read(4096)))
    except (ValueError, TypeError, RecursionError):  # empty, or cut off by a full disk
        return None


def _is_still(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_alive(holder: Holder, path: Path) -> bool:
    ours = _ourselves()
    if holder.host == ours.host and holder.boot == ours.boot:
        return holder.ticks != -1 and _start_ticks(holder.pid) == holder.ticks
    if holder.host == ours.host:
        return False  # this machine has been switched off since
    return _seconds_since_touched(path) < _PATIENCE


def _seconds_since_touched(path: Path) -> float:
    """By the clock of the file system, which need not be ours."""
    probe = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _ourselves() -> Holder:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return Holder(
        host=socket.gethostname(),
        boot=boot.read_text().strip() if boot.is_file() else "",
        pid=os.getpid(),
        ticks=_start_ticks(os.getpid()),
        started=time.strftime("%Y-%m-%d %H:%M:%S"),
    )


def _start_ticks(pid: int) -> int:
    """Return when a process started; -1 when there is none (or a zombie, which writes nothing)."""
    try:
        # The name, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[_START_FIELD])


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(_BEAT):
        with suppress(OSError):
            os.utime(path)


def _refusal(folder: Path, holder: Holder | None) -> FewshotError:
    who = "another process" if holder is None else str(holder)
    return FewshotError(
        f"{folder}: {who} works in it; wait for it to end, stop it, or give another folder"
    )
