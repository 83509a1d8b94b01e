"""Watching what is opened for writing, and whether a kill in the middle of it does harm."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewshot.files import TEMPORARY
from fewshot.lock import LOCK, REVIEW_LOCK

_watched: list[list[Path]] = []
# Whole lines are added to these, and a torn one is dropped by the reader.
_BY_LINES = (".jsonl", ".tfevents")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what Python opens for writing; an audit hook cannot be taken away again."""
    if event == "open" and _watched and isinstance(arguments[0], str | bytes):
        path, _, flags = arguments
        file = Path(os.fsdecode(path)).absolute()
        # A file without a name is opened under its folder's, and goes with its process.
        if flags & (os.O_WRONLY | os.O_RDWR) and not file.is_dir():
            _watched[-1].append(file)


sys.addaudithook(_hook)


@contextmanager
def written() -> Iterator[list[Path]]:
    """Yield a list that fills with the files that are opened for writing within."""
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


def is_careful(path: Path) -> bool:
    """Whether a kill while this file is written leaves nothing half-written under its own name.

    It is a temporary file or in a temporary folder (`fewshot.files`, `fewshot.folders`), a lock, or
    written by lines; or it is outside the folders of tests, such as a cache of matplotlib's.
    """
    temporary = any(part.endswith(TEMPORARY) for part in path.parts)
    by_lines = any(word in path.name for word in _BY_LINES)
    ours = any(part.startswith("pytest-") for part in path.parts)
    return temporary or by_lines or path.name in (LOCK, REVIEW_LOCK) or not ours
