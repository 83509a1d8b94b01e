"""Batches come in order from wherever they are read, and what goes wrong there is one line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import Dataset

from fewshot.errors import FewshotError, InputError
from fewshot.training.batches import batches_of

# torch counts the processors that this process may use.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


class Numbers(Dataset[int]):
    """Each position is its own sample; one of them may be wrong, or the end of who reads it."""

    def __init__(self, wrong: int = -1, deadly: int = -1) -> None:
        self._wrong, self._deadly = wrong, deadly

    def __getitem__(self, position: int) -> int:
        if position == self._wrong:
            raise InputError(f"{position}.png: no such image")
        if position == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return position


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_are_those_of_their_iterations(workers: int) -> None:
    assert list(batches_of(Numbers(), sum, 2, 3, 6, workers)) == [6 + 7, 8 + 9, 10 + 11]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_wrong_sample_is_its_own_line_when_its_turn_comes(workers: int) -> None:
    batches = batches_of(Numbers(wrong=5), sum, 2, 0, 4, workers)
    assert [next(batches), next(batches)] == [0 + 1, 2 + 3]
    with pytest.raises(InputError) as caught:
        next(batches)
    assert str(caught.value) == "5.png: no such image"


def test_a_reader_that_is_killed_is_one_line_too() -> None:
    batches = batches_of(Numbers(deadly=3), sum, 2, 0, 4, 1)
    with pytest.raises(FewshotError, match="a process that reads slices was killed") as caught:
        list(batches)
    assert "\n" not in str(caught.value)


def test_other_errors_stay_what_they_are() -> None:
    def collate(samples: list[int]) -> int:
        raise RuntimeError(f"cannot join {samples}")

    with pytest.raises(RuntimeError, match=r"cannot join \[0, 1\]"):
        next(batches_of(Numbers(), collate, 2, 0, 1, 0))


def test_a_full_shared_memory_is_said_with_the_way_out(tmp_path: Path) -> None:
    code = """\
from torch.utils.data import Dataset
from fewshot.training.batches import batches_of
class Ones(Dataset):
    def __getitem__(self, position):
        return 1
try:
    list(batches_of(Ones(), sum, 1, 0, 2, 1))
except Exception as error:
    print(type(error).__name__, error)
"""
    mount = "mount -t tmpfs -o size=4k tmpfs /dev/shm"
    if os.geteuid() or subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    (tmp_path / "code.py").write_text(code)
    command = f"{mount} && exec {sys.executable} {tmp_path / 'code.py'}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.startswith("FewshotError 1 processes that read slices cannot be started")
    assert "training.workers=0" in done.stdout
    assert "Traceback" not in done.stderr
