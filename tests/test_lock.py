"""One writer a folder: who holds the lock is told, and what a dead process left is taken over."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import SoftFileLock, UnixFileLock

from fewshot.errors import FewshotError
from fewshot.lock import LOCK, locked, refuse_if_locked

HOLD = """\
import sys, time
from pathlib import Path
from fewshot.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock on `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def take(folder: Path) -> None:
    with locked(folder):
        pass


def test_a_second_process_is_told_who_the_first_one_is(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    started = json.loads((tmp_path / LOCK).read_text())["started"]
    who = rf"process {other.pid} on {socket.gethostname()}, since {started}"
    for attempt in (take, refuse_if_locked):
        with pytest.raises(FewshotError, match=who) as caught:
            attempt(tmp_path)
        assert caught.value.exit_code == 1
        assert "\n" not in str(caught.value)
    assert other.poll() is None
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == other.pid


def test_the_lock_of_a_killed_process_is_taken_over(
    other: subprocess.Popen[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other.kill()
    other.wait()
    assert (tmp_path / LOCK).exists()
    refuse_if_locked(tmp_path)
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
        with pytest.raises(FewshotError, match=f"process {os.getpid()}"):
            take(tmp_path)  # not even by ourselves
    assert f"process {other.pid}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_does_not_keep_the_lock_of_its_parent(tmp_path: Path) -> None:
    """Readers of slices are forked, and may outlive a killed parent by seconds."""
    ending = "import os; child = os.fork() or time.sleep(600); print(child, flush=True)"
    code = HOLD.replace("time.sleep(600)", f"{ending}; time.sleep(0.5); os.kill(os.getpid(), 9)")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    child = int(process.stdout.readline())
    try:
        assert process.wait(timeout=60) == -9
        take(tmp_path)
    finally:
        os.kill(child, 9)
        process.communicate()


@pytest.mark.parametrize("left", [b"", b'{"host": "x", "pi', b'{"host": "elsewhere", "pid": 1}'])
def test_what_a_dead_or_foreign_process_wrote_holds_nothing(left: bytes, tmp_path: Path) -> None:
    """The system's lock decides: after a reboot, or in a copied folder, nobody holds it."""
    (tmp_path / LOCK).write_bytes(left)
    refuse_if_locked(tmp_path)
    assert (tmp_path / LOCK).read_bytes() == left
    take(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "pipe", "folder", "text"])
def test_what_is_no_lock_is_neither_followed_nor_written(kind: str, tmp_path: Path) -> None:
    folder, secret = tmp_path / "run", tmp_path / "authorized_keys"
    folder.mkdir()
    secret.write_text("ssh-ed25519 AAAA\n")
    lock = folder / LOCK
    if kind in ("link", "dangling"):
        lock.symlink_to(secret if kind == "link" else tmp_path / "new")
    elif kind == "hard link":
        lock.hardlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.write_text("a person's notes")
    for attempt in (take, refuse_if_locked):
        with pytest.raises(FewshotError, match=r"\.fewshot\.lock: is no lock") as caught:
            attempt(folder)
        assert "\n" not in str(caught.value)
    assert secret.read_text() == "ssh-ed25519 AAAA\n"
    assert not (tmp_path / "new").exists()
    assert os.path.lexists(lock)


def test_where_the_file_system_knows_no_locks_the_file_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(UnixFileLock, "_acquire", unsupported)
    with locked(tmp_path):
        with pytest.raises(FewshotError, match=f"process {os.getpid()} on"):
            take(tmp_path)
        assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()}\n")
    assert list(tmp_path.iterdir()) == []
    # A process of this machine that is gone, and one of another machine, which nobody can tell.
    (tmp_path / LOCK).write_text(f"{2**22 + 1}\n{socket.gethostname()}\n")
    with SoftFileLock(tmp_path / LOCK, timeout=5):
        pass
    (tmp_path / LOCK).write_text("17\nelsewhere\n")
    with pytest.raises(FewshotError, match="process 17 on elsewhere works in it"):
        take(tmp_path)


def test_a_lock_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work"), locked(tmp_path / "a" / "b"):
        raise ValueError("work")
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FewshotError, match="cannot be written"), locked(tmp_path / "file"):
        pass
