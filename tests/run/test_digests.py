"""Digests of files and folders: by content, and none read twice without need."""

import os
from pathlib import Path

import pytest

from fewshot.files import sha256_file
from fewshot.run import digests
from fewshot.run.digests import MISSING, Digests


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were read."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", counted)
    return names


def test_a_large_folder_is_read_once(tmp_path: Path, read: list[str]) -> None:
    known = Digests()
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).write_bytes(b"same")
    before = known.of(tmp_path)
    assert known.of(tmp_path) == before
    assert read == ["0.png", "1.png", "2.png"]
    (tmp_path / "1.png").write_bytes(b"other")
    assert known.of(tmp_path) != before
    assert read[3:] == ["1.png"]


def test_an_output_that_becomes_an_input_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    known, path = Digests(), tmp_path / "train.json"
    path.write_bytes(b"slices")
    assert known.fresh(path) == known.fresh(path) == known.of(path) == sha256_file(path)
    assert read == ["train.json", "train.json"]


def test_a_file_of_the_same_size_and_time_in_another_ones_place_is_read(tmp_path: Path) -> None:
    known, path, new = Digests(), tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    before = known.of(path)
    new.write_bytes(b"two")
    time = path.stat().st_mtime_ns

    os.utime(new, ns=(time, time))
    new.rename(path)
    assert known.of(path) != before
    assert known.of(tmp_path / "nothing") == MISSING
