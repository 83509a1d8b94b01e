"""Which files in a run directory the run wrote; nothing else there is ever deleted."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from fewshot.errors import FewshotError, InputError
from fewshot.files import TEMPORARY, read_json, write_json
from fewshot.folders import RECORD as _FOLDER_RECORD
from fewshot.folders import RUN_FORM
from fewshot.lock import LOCK, REVIEW_LOCK
from fewshot.run.names import RECORD, RESOLVED
from fewshot.run.stages import Stage
from fewshot.training.model_folder import CHECKPOINT, TIME

OWNED = _FOLDER_RECORD
FORM = f"{RUN_FORM} 1"
# Folders whose files have names of their own: learning curves by time, embeddings by content.
_FOLDERS = ("tensorboard", "embeddings")
# Links to the images that a run reads; it writes nothing there.
_LINKS = "images"


def note_outputs(out: Path, stages: Sequence[Stage]) -> None:
    """Record what a run is going to write to `out`, in addition to what it wrote before."""
    paths = {RESOLVED, *_FOLDERS, *_noted(out)}
    for stage in stages:
        aside = [stage.folder / name for name in (RECORD, CHECKPOINT, TIME)]
        for path in (*aside, *stage.outputs):
            paths.add(path.relative_to(out).as_posix())
    write_json(out / OWNED, {"form": FORM, "paths": sorted(paths)})


def is_run(out: Path) -> bool:
    """Return whether a directory contains a run, or the rest of one that was being emptied.

    A settings file of that name among other files is not a run.
    """
    if _noted(out) or any(out.rglob(RECORD)):
        return True
    return all(path.name in (RESOLVED, LOCK, REVIEW_LOCK) for path in _files(out))


def refuse_links(out: Path) -> None:
    """Raise `InputError` for a link in a run directory: a run would write to where it points."""
    for folder, folders, files in os.walk(out):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and path.parent != out / _LINKS:
                raise InputError(
                    f"{path}: is a link, through which a run would write elsewhere; put the "
                    "folder or file itself there"
                )


def refuse_others(out: Path) -> None:
    """Raise `InputError` for the first file in a run directory that no run wrote."""
    ours = _ours(out)
    for path in _files(out):
        if not ours(path):
            raise InputError(
                f"{path}: was not written by a run, and --overwrite deletes nothing else; move it "
                "away, or give another directory"
            )


def empty(out: Path) -> None:
    """Remove what runs wrote to a directory; after a kill, emptying can continue."""
    ours = _ours(out)
    kept = (out / OWNED, out / RESOLVED, out / LOCK)
    records = []
    for path in list(_files(out)):
        if path in kept or not ours(path):
            continue
        if path.name == RECORD:  # says what else is ours
            records.append(path)
        else:
            path.unlink()
    for path in (*records, out / RESOLVED, out / OWNED):
        path.unlink(missing_ok=True)
    for folder, _, _ in os.walk(out, topdown=False):
        if Path(folder) != out and not any(Path(folder).iterdir()):
            Path(folder).rmdir()


class _Ours:
    """Distinguishes the files that a run wrote from other files in its directory."""

    def __init__(self, out: Path, names: Iterable[str]) -> None:
        self._out = out
        self._names = {PurePosixPath(name) for name in names}

    def __call__(self, path: Path) -> bool:
        name = PurePosixPath(path.relative_to(self._out).as_posix())
        if path.is_symlink():
            return path.parent == self._out / _LINKS
        known = name in self._names or any(one in self._names for one in name.parents)
        return known or name.name.endswith(TEMPORARY) or str(name) in (OWNED, LOCK, REVIEW_LOCK)


def _ours(out: Path) -> _Ours:
    names = {RESOLVED, *_noted(out)}
    for record in out.rglob(RECORD):  # runs of earlier versions wrote down no more than this
        try:
            outputs = [str(name) for name in read_json(record)["outputs"]]
        except (FewshotError, KeyError, TypeError):
            continue
        folder = record.parent.relative_to(out)
        names |= {(folder / RECORD).as_posix(), *_FOLDERS}
        names |= {(place / name).as_posix() for place in (folder, Path()) for name in outputs}
    return _Ours(out, names)


def _noted(out: Path) -> set[str]:
    path = out / OWNED
    if not path.is_file() or path.is_symlink():
        return set()
    content = read_json(path)
    paths = content.get("paths") if isinstance(content, dict) else None
    if not isinstance(paths, list) or content.get("form") != FORM:
        raise InputError(f"{path}: is no record of a run; give another directory")
    return {str(one) for one in paths if str(one) not in ("", ".") and ".." not in str(one)}


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, without following links."""
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if Path(where, name).is_symlink()]
        yield from (Path(where, name) for name in (*files, *links))
