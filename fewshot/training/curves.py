"""Learning curves as one JSON line per iteration, appended during training."""

import json
import os
from pathlib import Path
from typing import Any

from fewshot.errors import FewshotError
from fewshot.files import read_json_lines, write_text
from fewshot.progress import warn


class CurveFile:
    """A file of JSON lines, one per iteration.

    A training resumed at iteration `start` first drops the lines from there on, so that the file is
    that of an uninterrupted training. Raises `FewshotError` if it cannot be written.
    """

    def __init__(self, path: Path, start: int) -> None:
        kept = [line for line in read_json_lines(path) if line.get("iteration", start) < start]
        if [line["iteration"] for line in kept] != list(range(start)):
            warn(f"{path}: lines of iterations before {start} are missing")
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._path = path

    def append(self, line: dict[str, Any]) -> None:
        """Add a line."""
        self._write(json.dumps(line) + "\n")

    def sync(self) -> None:
        """Sync all lines to disk, so that a checkpoint is never ahead of the curves."""
        self._write("", sync=True)

    def _write(self, text: str, sync: bool = False) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise FewshotError(f"{self._path}: cannot be written ({error.strerror})") from error
