"""No command writes a file under its own name, so that a kill leaves none half-written.

Every command that the tests of this folder call is watched (see conftest.py); here the watch is.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from fewshot.files import atomic_path, write_text
from fewshot.folders import filled_folder
from fewshot.lock import locked
from tests.cli.writes import is_careful, written


def test_writers_of_ours_are_careful(tmp_path: Path) -> None:
    with written() as paths, locked(tmp_path):
        write_text(tmp_path / "a.json", "{}")
        with atomic_path(tmp_path / "a.npy") as temporary, temporary.open("wb") as file:
            np.save(file, np.zeros(3))
        with filled_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("whole")
    assert len(paths) > 4
    assert [path for path in paths if not is_careful(path)] == []


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("half"),
        lambda path: path.open("ab").close(),
        lambda path: np.save(path, np.zeros(3)),
        lambda path: os.close(os.open(path, os.O_CREAT | os.O_RDWR)),
    ],
)
def test_the_watch_sees_others(write: object, tmp_path: Path) -> None:
    with written() as paths:
        write(tmp_path / "a.npy")  # type: ignore[operator]
    assert [path for path in paths if not is_careful(path)] == [tmp_path / "a.npy"]
