"""Learning curves as one JSON line an iteration, appended while training."""

import json
import os
from pathlib import Path
from typing import Any

from fewshot.errors import FewshotError
from fewshot.files import read_json_lines, write_text


class CurveFile:
    """A file of JSON lines, one an iteration.

    A training that continues at iteration `start` first drops the lines from there on, so that the
    file reads as if it had never been interrupted. Raises `FewshotError` when it cannot be written.
    """

    def __init__(self, path: Path, start: int) -> None:
        kept = [line for line in read_json_lines(path) if line.get("iteration", start) < start]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._path = path

    def append(self, line: dict[str, Any], sync: bool = False) -> None:
        """Add a line; with `sync` it and all before are on the disk when this returns."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise FewshotError(f"{self._path}: cannot be written ({error.strerror})") from error
