"""A folder gets all of its files, or none; only what fewshot wrote is ever replaced."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from chaos_commands import killed_at
from fewshot import folders
from fewshot.errors import FewshotError, InputError
from fewshot.files import TEMPORARY
from fewshot.folders import RECORD, filled_folder, prepare_folder, recorded


def fill(target: Path, overwrite: bool = False, text: str = "one") -> None:
    with filled_folder(target, overwrite) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "1.png").write_text(text)
        (folder / f"{text}.png").write_text(text)


def contents(folder: Path) -> dict[str, str]:
    """What a reader sees, hidden files and all, but for the record."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


ONE = {"sub/1.png": "one", "one.png": "one"}
TWO = {"sub/1.png": "two", "two.png": "two"}


@pytest.mark.parametrize("there", [True, False])
def test_the_files_appear_at_the_end(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "deep" / "down"
    if there:
        target.mkdir(parents=True, mode=0o700)
        target.chmod(0o700)
    with filled_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "1.png").write_text("one")
        (folder / "one.png").write_text("one")
        assert not list(target.glob("*.png"))
    assert contents(target) == ONE
    assert recorded(target).keys() == ONE.keys()
    assert list(target.parent.iterdir()) == [target]
    if there:
        assert target.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt(), ValueError("bug")])
def test_an_error_leaves_nothing(tmp_path: Path, there: bool, error: BaseException) -> None:
    target = tmp_path / "deep" / "down"
    if there:
        target.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))

    def break_off() -> None:
        with filled_folder(target) as folder:
            (folder / "1.png").write_text("one")
            raise error

    with pytest.raises(type(error)):
        break_off()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_filled_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("weeks of work")
    for target, overwrite, words in (
        (tmp_path, False, "is not empty; give another folder$"),
        (tmp_path, True, "holds file, which fewshot did not write there"),
        (tmp_path / "file", False, "is a file"),
        (tmp_path / "file", True, "is a file"),
    ):
        with pytest.raises(InputError, match=words):
            fill(target, overwrite)
    assert contents(tmp_path) == {"file": "weeks of work"}


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FewshotError, match="cannot be written"):
        fill(tmp_path / "file" / "below")


def test_overwrite_replaces_what_fewshot_wrote(tmp_path: Path) -> None:
    fill(tmp_path / "out")
    with pytest.raises(InputError, match="or --overwrite to replace"):
        fill(tmp_path / "out")
    fill(tmp_path / "out", overwrite=True, text="two")
    assert contents(tmp_path / "out") == TWO
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("what", ["file", "deep", "hidden", "link", "changed", "no record"])
def test_overwrite_deletes_nothing_else(what: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out)
    if what == "link":
        (out / "notes.txt").symlink_to(tmp_path)
    elif what == "changed":
        (out / "one.png").write_text("corrected by hand")
    elif what == "no record":
        (out / RECORD).unlink()
    else:
        name = {"file": "notes.txt", "deep": "sub/notes.txt", "hidden": ".git"}[what]
        (out / name).write_text("a person's work")
    before = contents(out)
    with pytest.raises(InputError, match="move it away, or give another folder") as caught:
        fill(out, overwrite=True, text="two")
    assert "\n" not in str(caught.value)
    assert contents(out) == before


def test_the_record_of_a_run_directory_is_none_of_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out)
    (out / RECORD).write_text('{"form": "fewshot run 1", "paths": ["one.png"]}')
    for overwrite, words in (
        (False, "is not empty; give another folder$"),
        (True, "did not write"),
    ):
        with pytest.raises(InputError, match=words):
            fill(out, overwrite)
    assert contents(out) == ONE


def test_a_writer_at_work_is_told_from_a_dead_one(tmp_path: Path) -> None:
    with filled_folder(tmp_path / "out") as folder:
        (folder / "1.png").write_text("one")
        with pytest.raises(FewshotError, match=r"out: process .* works in it") as caught:
            prepare_folder(tmp_path / "out")
        assert caught.value.exit_code == 1
    assert contents(tmp_path / "out") == {"1.png": "one"}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_after_a_kill_at_any_moment_the_same_command_works(
    inside: bool, overwrite: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change to the file system is one kill point; a target that is a mount point as well."""
    if inside:
        monkeypatch.setattr(folders, "_place", lambda target: target / TEMPORARY)
    for point in range(200):
        out = tmp_path / str(point) / "out"
        out.parent.mkdir()
        if overwrite:
            fill(out)
        before = ONE if overwrite else {}
        died = killed_at(point, partial(fill, out, overwrite, "two"))
        if not inside:
            # Old or new as a whole; for a moment between two renames a replaced one is neither.
            assert contents(out) in (before, TWO) or (overwrite and not out.exists())
        prepare_folder(out, overwrite=True)  # as the same command begins
        assert contents(out) in (before, TWO)
        if point % 8 == 0 or not died:
            fill(out, overwrite=True, text="three")
            assert contents(out) == {"sub/1.png": "three", "three.png": "three"}
        assert {path.name for path in out.parent.iterdir()} <= {"out"}
        if not died:
            assert point > 15
            return
    pytest.fail("it never ended")


def test_a_mount_point_is_filled_from_within(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(out)], capture_output=True
    )
    if os.geteuid() or mounted.returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        fill(out)
        fill(out, overwrite=True, text="two")
        assert contents(out) == TWO
    finally:
        subprocess.run(["umount", "-l", str(out)], check=False)
    shutil.rmtree(out)


def test_the_working_directory_is_filled_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path())
    assert contents(Path()) == ONE
