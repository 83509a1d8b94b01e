"""Files: a reader sees the old file or the new one, never half of one, and no remains."""

import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from fewshot import files
from fewshot.errors import FewshotError, InputError
from fewshot.files import (
    atomic_path,
    read_json,
    read_json_lines,
    sha256_file,
    write_json,
    write_text,
)
from fewshot.text import is_plain


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_path_writes_into_new_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "scores.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent  # a rename must not cross file systems
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["scores.txt"]


@pytest.mark.parametrize(
    ("error", "raises"),
    [
        # The work's own errors pass as they are.
        (ValueError("broken"), pytest.raises(ValueError, match="broken")),
        (InputError("1.png: broken"), pytest.raises(InputError, match=r"1\.png: broken")),
        # Ctrl-C in the middle of writing.
        (KeyboardInterrupt(), pytest.raises(KeyboardInterrupt)),
        # What the file system says names the file that was meant.
        (OSError(28, "No space left"), pytest.raises(FewshotError, match=r"scores\.txt.*No space")),
        # Libraries raise these without a number.
        (OSError("encoder failed"), pytest.raises(FewshotError, match=r"scores.*encoder failed")),
    ],
)
@pytest.mark.parametrize("old", ["old", None])
def test_an_error_leaves_the_old_file_and_no_temporary_one(
    error: BaseException, raises: AbstractContextManager[Any], old: str | None, tmp_path: Path
) -> None:
    target = tmp_path / "scores.txt"
    if old is not None:
        target.write_text(old)
    with raises, atomic_path(target) as temporary:
        temporary.write_text("half of")
        raise error
    assert names(tmp_path) == (["scores.txt"] if old is not None else [])
    assert old is None or target.read_text() == old


@pytest.mark.parametrize(
    "inside",
    [
        # A folder that can never be made: one of its parents is a file.
        "file/scores.txt",
        "file/a/b/scores.txt",
        # The target is a folder.
        "folder",
        # A name that no file system takes.
        "x" * 300,
    ],
)
def test_an_unwritable_place_is_an_error_of_ours(inside: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FewshotError, match="cannot be written") as caught:
        write_text(tmp_path / inside, "text")
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "ours", "text")
        (tmp_path / "plain").write_text("text")
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "σ\n2\n")
    assert (tmp_path / "text").read_bytes() == b"\xcf\x83\n2\n"


@pytest.mark.parametrize(
    "value", [{}, [], None, True, 0, 0.1, "σ", {"b": [1, {"a": None}], "a": ""}]
)
def test_json_comes_back(value: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
    assert (tmp_path / "value.json").read_bytes().endswith(b"\n")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_what_is_no_json_is_not_written(value: Any, tmp_path: Path) -> None:
    write_text(tmp_path / "value.json", "old")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", value)
    assert names(tmp_path) == ["value.json"]
    assert (tmp_path / "value.json").read_text() == "old"


@pytest.mark.parametrize(
    ("content", "expected", "raises"),
    [
        (b'{"a": 1}', {"a": 1}, nullcontext()),
        # Cut off, as by a full disk; the message names the line.
        (b'{"a": 1,\n "b"', None, pytest.raises(InputError, match="line 2")),
        (b"", None, pytest.raises(InputError, match="line 1")),
        # A second value after the first.
        (b"{} {}", None, pytest.raises(InputError, match="line 1")),
        # Not text at all.
        (b"\x89PNG\r\n", None, pytest.raises(InputError, match="byte 0 is not UTF-8")),
        # What a Windows editor leaves in front.
        (b"\xef\xbb\xbf{}", {}, nullcontext()),
        # Of two values one would win without a word.
        (b'{"a": 1, "a": 2}', None, pytest.raises(InputError, match="'a' is there twice")),
        # Made to break the parser.
        (b"[" * 200_000, None, pytest.raises(InputError, match="too deeply")),
        (b"1" * 5000, None, pytest.raises(InputError, match="digits")),
        # No file.
        (None, None, pytest.raises(InputError, match="no such file")),
    ],
)
def test_read_json(
    content: bytes | None, expected: Any, raises: AbstractContextManager[Any], tmp_path: Path
) -> None:
    path = tmp_path / "value.json"
    if content is not None:
        path.write_bytes(content)
    with raises as caught:
        assert read_json(path) == expected
    if caught is not None:
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inside", [".", "file/value.json"])
def test_read_json_of_what_is_no_file(inside: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / inside)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_sha256_of_a_file_is_that_of_its_bytes(size: int, tmp_path: Path) -> None:
    content = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_json_lines_end_where_a_writer_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert read_json_lines(path) == []
    path.write_text('{"iteration": 0}\n[1]\n{"iteration": 1}\n{"itera')
    assert read_json_lines(path) == [{"iteration": 0}, {"iteration": 1}]
    # What follows a torn line is of a training that went on without its checkpoint.
    path.write_text('{"iteration": 0}\n{"itera\n{"iteration": 1}\n')
    assert read_json_lines(path) == [{"iteration": 0}]


def test_a_file_keeps_its_permissions_when_it_is_replaced(tmp_path: Path) -> None:
    write_text(tmp_path / "secret", "old")
    (tmp_path / "secret").chmod(0o600)
    write_text(tmp_path / "secret", "new")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    write_json(tmp_path / "map.json", {}, mode=0o600)
    assert (tmp_path / "map.json").stat().st_mode & 0o777 == 0o600


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    write_text(tmp_path / "link", "ours")
    assert (tmp_path / "theirs").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_is_neither_replaced_nor_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path = Path("/dev/null")
    for use in (lambda: write_text(path, "text"), lambda: read_json(path)):
        with pytest.raises(InputError, match=f"is no file but a {kind}") as caught:
            use()
        assert str(caught.value).startswith(f"{path}: ")
    assert not path.is_file()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_synced_is_no_failure(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network and FUSE file systems; the new file is in place all the same."""
    fsync = os.fsync

    def of_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_only)
    write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "new"


def test_what_a_killed_writer_left_goes_and_what_a_live_one_has_stays(tmp_path: Path) -> None:
    code = f"""\
import os
from pathlib import Path
from fewshot.files import atomic_path
with atomic_path(Path({str(tmp_path)!r}) / "a.json") as temporary:
    temporary.write_text("half of a patient")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert len(names(tmp_path)) == 1
    with atomic_path(tmp_path / "b.json") as living:
        assert names(tmp_path) == [living.name]
        files._forget_dead_writers.cache_clear()
        write_text(tmp_path / "a.json", "whole")
        living.write_text("whole")
    assert names(tmp_path) == ["a.json", "b.json"]


@pytest.mark.parametrize("name", ["a\x1b[31m.json", "a\nb", "\x9b", "a\u202eb", "a\udcff"])
def test_no_name_with_control_characters_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="control characters") as caught:
        write_text(tmp_path / name, "text")
    assert is_plain(str(caught.value))
    assert names(tmp_path) == []
