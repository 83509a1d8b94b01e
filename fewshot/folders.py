"""Folders of results: written all or nothing, and only replaced if fewshot wrote them.

The files are written to a hidden folder next to the target, which is renamed when complete. What a
killed writer left there is removed when the same folder is written again. A target that cannot be
renamed (a mount point, the working directory, in a folder that is not ours) is filled from a hidden
folder inside it, with a journal of the progress.

`.fewshot.json` in the target records what was written; nothing else is ever deleted.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fewshot.errors import FewshotError, InputError
from fewshot.files import TEMPORARY, read_json, sha256_file, sync, write_json
from fewshot.lock import LOCK, locked

RECORD = ".fewshot.json"
FORM = "fewshot folder 1"
RUN_FORM = "fewshot run"
"""The start of the form of a run directory's record."""
# Digests are written in letters, so that a search for a patient's number in the results, as is
# advisable before sharing them, finds none by chance.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_NEW, _OLD, _JOURNAL = "new", "old", "names.json"


def prepare_folder(target: Path, overwrite: bool = False) -> None:
    """Remove what a killed writer left of a folder, and check that it can be written.

    Raises `InputError` when it is a file or not empty; with `overwrite` only if it contains files
    that are not in fewshot's record, or that were changed since. Raises `FewshotError` when another
    process is writing it.
    """
    real = target.resolve()
    place = _place(real)
    if place.is_dir():
        with locked(place, target):
            _recover(real, place)
        _removed(place)
    _check(real, place, overwrite, target)


@contextmanager
def filled_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder, whose content appears in `target` on success, and nothing on error.

    After a kill at any moment, `target` has either its old content or all of the new; only if it
    cannot be renamed, the next start has to complete that. For errors see `prepare_folder`;
    `FewshotError` also when the folder cannot be written.
    """
    prepare_folder(target, overwrite)
    real = target.resolve()
    place = _place(real)
    try:
        with locked(place, target):
            try:
                _check(real, place, overwrite, target)  # another one may have written it meanwhile
                (place / _NEW).mkdir()
                yield place / _NEW
                _record(place / _NEW)
                _publish(real, place)
            finally:
                _recover(real, place)
    except OSError as error:
        raise FewshotError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        _removed(place)


def recorded(folder: Path) -> dict[str, str]:
    """Return what fewshot wrote into a folder: SHA-256 by relative name; nothing where it did not.

    Raises `InputError` when the record cannot be read.
    """
    path = folder / RECORD
    if not path.is_file() or path.is_symlink():
        return {}
    content = read_json(path)
    files = content.get("files") if isinstance(content, dict) else None
    if isinstance(content, dict) and str(content.get("form")).startswith(RUN_FORM):
        return {}  # a run directory: its own record, of what no other command may replace
    if not isinstance(files, dict) or content.get("form") != FORM:
        raise InputError(f"{path}: is no record of a folder that fewshot wrote; move it away")
    return {str(name): str(digest) for name, digest in files.items()}


def _place(target: Path) -> Path:
    """Return the hidden folder where the files of a target grow."""
    inside = target.is_dir() and (
        target.is_mount()
        or Path.cwd().is_relative_to(target)
        or not os.access(target.parent, os.W_OK)
    )
    return target / TEMPORARY if inside else target.parent / f".{target.name}{TEMPORARY}"


def _check(target: Path, place: Path, overwrite: bool, given: Path) -> None:
    """Raise `InputError`, naming the target as it was given, when it may not be written."""
    if target.exists() and not target.is_dir():
        raise InputError(f"--out {given}: is a file; give another folder")
    found = _entries(target, place)
    if not found:
        return
    known = recorded(target)
    if not overwrite:
        more = ", or --overwrite to replace what fewshot wrote there" if known else ""
        raise InputError(f"--out {given}: is not empty; give another folder{more}")
    for path in _files(found):
        name = path.relative_to(target).as_posix()
        ours = name == RECORD or (name in known and not path.is_symlink() and path.is_file())
        if not ours:
            raise InputError(
                f"--out {given}: holds {name}, which fewshot did not write there; --overwrite "
                "replaces only what it wrote: move it away, or give another folder"
            )
        if name != RECORD and _digest(path) != known[name]:
            raise InputError(
                f"--out {given}: {name} was changed since fewshot wrote it; move it away, or give "
                "another folder"
            )


def _entries(target: Path, place: Path) -> list[Path]:
    """Return what lies in a target, but for the marks of a writer at work."""
    if not target.is_dir():
        return []
    return sorted(one for one in target.iterdir() if one != place and one.name != LOCK)


def _files(entries: list[Path]) -> Iterator[Path]:
    """Yield the files among entries and in folders below them; a link is taken for a file."""
    for path in entries:
        if path.is_dir() and not path.is_symlink():
            yield from _files(sorted(path.iterdir()))
        else:
            yield path


def _record(folder: Path) -> None:
    """Write down what lies in a folder."""
    files = [path for path in _files(sorted(folder.iterdir())) if path.name != RECORD]
    names = {path.relative_to(folder).as_posix(): _digest(path) for path in files}
    write_json(folder / RECORD, {"form": FORM, "files": names})


def _digest(path: Path) -> str:
    return sha256_file(path).translate(_LETTERS)


def _publish(target: Path, place: Path) -> None:
    """Put the new files into the target's place, and what was there into `old`."""
    new, old = place / _NEW, place / _OLD
    if place.parent == target:
        write_json(place / _JOURNAL, [path.name for path in new.iterdir()])
        old.mkdir()
        _move(_entries(target, place), old)
        _move(sorted(new.iterdir()), target)
        (place / _JOURNAL).unlink()
    else:
        if target.is_dir():
            new.chmod(target.stat().st_mode & 0o7777)
            target.rename(old)
        new.rename(target)
    with suppress(OSError):
        sync(target.parent)


def _recover(target: Path, place: Path) -> None:
    """Undo what was not finished in publishing, and remove what is left over of it."""
    new, old = place / _NEW, place / _OLD
    if place.parent == target and (place / _JOURNAL).is_file():
        names: list[Any] = read_json(place / _JOURNAL)
        for name in (Path(str(name)).name for name in names):
            if not os.path.lexists(new / name):  # it has gone over to the target
                _delete(target / name)
        write_json(place / _JOURNAL, [])  # what comes back may have the same names
        if old.is_dir():
            _move(sorted(old.iterdir()), target)
        (place / _JOURNAL).unlink()
    elif place.parent != target and old.is_dir() and not target.exists():
        old.rename(target)
    for path in place.iterdir() if place.is_dir() else []:
        if path.name != LOCK:
            _delete(path)


def _move(paths: list[Path], folder: Path) -> None:
    for path in paths:
        path.rename(folder / path.name)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _removed(place: Path) -> None:
    """Remove an empty hidden folder; another process may have come to it."""
    with suppress(OSError):
        place.rmdir()
