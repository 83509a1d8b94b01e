"""One writer a folder: who holds the lock is told, and what a dead process left is taken over."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fewshot import lock
from fewshot.errors import FewshotError
from fewshot.lock import LOCK, Holder, locked, refuse_if_locked

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


def test_a_second_process_is_told_who_the_first_one_is(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    started = json.loads((tmp_path / LOCK).read_text())["started"]
    who = rf"process {other.pid} on {socket.gethostname()}, since {started}"

    def lock_it() -> None:
        with locked(tmp_path):
            pass

    for attempt in (lock_it, lambda: refuse_if_locked(tmp_path)):
        with pytest.raises(FewshotError, match=who) as caught:
            attempt()
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
    assert f"process {other.pid}" in capsys.readouterr().err
    assert not (tmp_path / LOCK).exists()


def holder(**changes: object) -> Holder:
    ours = lock._ourselves()
    return replace(ours, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "age", "alive"),
    [
        # This very process holds it already.
        (holder(), 0, True),
        # The number of the process was used again: it started at another time.
        (holder(ticks=1), 0, False),
        (holder(pid=2**22 + 1), 0, False),
        # The machine was switched off since.
        (holder(boot="another"), 0, False),
        # Another machine: alive while it touches the file.
        (holder(host="elsewhere", boot="another"), 30, True),
        (holder(host="elsewhere", boot="another"), 300, False),
        # Cut off by a full disk.
        (None, 0, False),
    ],
)
def test_what_a_lock_says_decides_where_the_system_does_not(
    left: Holder | None, age: int, alive: bool, tmp_path: Path
) -> None:
    path = tmp_path / LOCK
    path.write_text(json.dumps(asdict(left)) if left else '{"host": "x", "pi')
    past = time.time() - age
    os.utime(path, (past, past))
    if alive:
        with pytest.raises(FewshotError, match="works in it"), locked(tmp_path):
            pass
        assert path.exists()
    else:
        with locked(tmp_path):
            pass
        assert not path.exists()
    assert list(tmp_path.iterdir()) == ([path] if alive else [])


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
