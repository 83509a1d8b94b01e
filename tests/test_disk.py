"""Disks that are full, read-only or gone: one line that says what was missing, nothing is lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.errors import FewshotError
from fewshot.files import as_size, atomic_path, remove_remains, write_text
from fewshot.slices.images import write_image
from fewshot.slices.label_csv import write_label_csv
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with half a megabyte; skipped where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not mount("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)):
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


Write = Callable[[Path], None]
NOISE = np.random.default_rng(0).integers(0, 255, (1024, 1024), dtype=np.uint8)
TOO_LARGE: list[tuple[str, Write, str]] = [
    # A size that is known is told before anything is written.
    ("text", lambda path: write_text(path, "x" * 600_000), r"needs 600\.0 kB and \d+\.\d kB are"),
    (
        "weights.pth",
        lambda path: save_checkpoint(path, {"a": torch.zeros(250_000), "b": [torch.zeros(2)]}),
        r"needs 1\.0 MB and",
    ),
    ("labels.csv", lambda path: write_label_csv(path, ["1"], [NOISE]), r"needs \d\.\d MB and"),
    # Otherwise what was written until then is.
    ("image.png", lambda path: write_image(path, NOISE), r"needs more than \d+\.\d kB and"),
]


@pytest.mark.parametrize(("name", "write", "words"), TOO_LARGE)
def test_a_full_disk_says_how_much_it_lacks_and_keeps_what_was_there(
    small_disk: Path, name: str, write: Write, words: str
) -> None:
    (small_disk / name).write_text("the results of last week")
    with pytest.raises(FewshotError, match=rf"{name}: cannot be written \(No space .*{words}") as e:
        write(small_disk / name)
    assert e.value.exit_code == 1
    assert "\n" not in str(e.value)
    assert [path.name for path in small_disk.iterdir()] == [name]
    assert (small_disk / name).read_text() == "the results of last week"


def test_a_checkpoint_that_outgrows_what_is_allowed_leaves_the_last_one(tmp_path: Path) -> None:
    """PyTorch hides what the system said behind an error of its own."""
    code = f"""\
import resource, signal, torch
from pathlib import Path
from fewshot.training.checkpoints import save_checkpoint
from fewshot.errors import FewshotError
path = Path({str(tmp_path / "checkpoint.pth")!r})
save_checkpoint(path, {{"iteration": 1, "network": torch.ones(10_000)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))
try:
    save_checkpoint(path, {{"iteration": 2, "network": torch.ones(30_000)}})
except FewshotError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert "checkpoint.pth: cannot be written (File too large; it needs 120.0 kB" in done.stdout
    assert load_checkpoint(tmp_path / "checkpoint.pth")["iteration"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pth"]


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth"):
        save_checkpoint(tmp_path / name, {"model": {"w": torch.arange(99)}, "job": "x"})
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_a_read_only_disk(small_disk: Path) -> None:
    (small_disk / "kept").write_text("kept")
    assert mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(FewshotError, match=r"new: cannot be written \(Read-only file system\)"):
        write_text(small_disk / "new", "text")
    assert (small_disk / "kept").read_text() == "kept"


def test_a_disk_that_vanishes_while_a_file_is_written(small_disk: Path) -> None:
    def write() -> None:
        with atomic_path(small_disk / "new") as temporary:
            temporary.write_text("half")
            subprocess.run(["umount", "-l", str(small_disk)], check=True)

    with pytest.raises(FewshotError, match=r"new: cannot be written .*is the disk still mounted\?"):
        write()
    assert list(small_disk.iterdir()) == []


def test_a_name_is_on_the_disk_before_the_next_thing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it gets its name, and its folder after."""
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"  # noqa: PTH112
        synced.append((kind, (tmp_path / "new").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write_text(tmp_path / "new", "text")
    assert synced == [("file", False), ("folder", True)]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    ours = (".x.json.abc.fewshot.part", "a/.0.png.z9.fewshot.part")
    for name in (*ours, ".rclone.part", "a/report.part", ".hidden", "a/kept"):
        (tmp_path / name).touch()
    assert remove_remains(tmp_path) == 2
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"a", ".rclone.part", "a/report.part", ".hidden", "a/kept"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_an_error_at_the_very_end_leaves_the_old_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems tell only at the sync that there is no room."""
    write_text(tmp_path / "file", "old")

    def fails(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(FewshotError, match=os.strerror(number)):
        write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert as_size(size) == text


def test_without_room_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says it has nine bytes; it would take more."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(99, 90, 9))
    begun: list[Path] = []
    with (
        pytest.raises(FewshotError, match="needs 10 bytes and 9 bytes are free"),
        atomic_path(tmp_path / "a", 10) as temporary,
    ):
        begun.append(temporary)
    assert begun == list(tmp_path.iterdir()) == []
    with atomic_path(tmp_path / "a", 9) as temporary:
        temporary.write_bytes(b"123456789")
    assert (tmp_path / "a").read_bytes() == b"123456789"


def test_the_room_is_that_of_the_targets_own_disk(small_disk: Path) -> None:
    assert shutil.disk_usage(small_disk).total < 10**6 < shutil.disk_usage(small_disk.parent).free
    with pytest.raises(FewshotError, match="No space"):
        write_text(small_disk / "a" / "b", "x" * 10**6)
