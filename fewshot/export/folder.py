"""Filling a folder with all of its files, or none."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fewshot.errors import FewshotError, InputError


@contextmanager
def filled_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder; what is in it appears in `target` on success, and nothing on error.

    The files grow in a hidden folder inside `target`, so that `target` may be a mount point.
    Raises `InputError` when `target` is a file or holds anything, `FewshotError` when it cannot be
    written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is not empty; give another folder")
    made = [path for path in (target, *target.parents) if not path.exists()]
    temporary = None
    try:
        target.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".export.", suffix=".part", dir=target))
        yield temporary
        for entry in sorted(temporary.iterdir()):
            entry.replace(target / entry.name)
        made.clear()
    except OSError as error:
        raise FewshotError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
