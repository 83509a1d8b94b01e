"""Being stopped: exit code 130 (143), within two seconds, with the command that goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fewshot.cli.interrupt import Stopped, how_to_go_on, stoppable
from fewshot.lock import LOCK, locked

DEAF = """\
import hashlib, sys, threading, time
from fewshot.cli.interrupt import stoppable
with stoppable(["run", "--out", "here"]):
    threading.Timer(1, print, ["working"], {{"flush": True}}).start()
    {work}
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_in_the_middle_of_its_work(tmp_path: Path, number: int, code: int) -> None:
    command = ["phantom", "--out", str(tmp_path / "new"), "--labelled", "99999"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fewshot", *command], stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob(".new.*/new/X_train")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.splitlines()[-1].startswith("stopped; ")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "work",
    [
        # One call into C that does not look up for a minute, but lets other threads run.
        "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**9)",
        # Work that catches everything.
        "exec('while True:\\n try:\\n  time.sleep(9)\\n except BaseException:\\n  pass')",
    ],
)
def test_work_that_does_not_listen_is_ended(work: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "stopped; go on with: fewshot run --out here --resume\n"


def test_the_work_takes_its_lock_and_temporary_files_along(tmp_path: Path) -> None:
    def work() -> None:
        with stoppable(["run"]), locked(tmp_path):
            assert (tmp_path / LOCK).exists()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background
    with pytest.raises(Stopped) as caught:
        work()
    assert caught.value.exit_code == 130
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_forked_process_may_be_ended_without_its_parent(tmp_path: Path) -> None:
    """As data workers are; what asks them to end must not reach the process that made them."""
    with stoppable(["run"]):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(1)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        time.sleep(1.8)  # longer than the patience with a process that was asked to end


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "--config", "a b.yaml", "--out", "x"], "run --config 'a b.yaml' --out x --resume"),
        (["run", "--out", "x", "--resume"], "fewshot run --out x --resume"),
        # What was emptied once is not emptied again.
        (["demo", "--overwrite", "--out", "x"], "fewshot demo --out x --resume"),
        (["train-radiologists", "--out", "x"], "the same command again"),
        ([], "the same command again"),
    ],
)
def test_how_to_go_on_is_told(arguments: list[str], line: str) -> None:
    assert line in how_to_go_on(arguments)
