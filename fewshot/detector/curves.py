"""Learning curves as one JSON line an iteration, written while training."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detectron2.utils.events import EventWriter, get_event_storage

from fewshot.errors import FewshotError
from fewshot.files import read_json_lines, write_text
from fewshot.progress import warn


class CurveWriter(EventWriter):  # type: ignore[misc]
    """Appends the exact, unsmoothed scalars of each iteration to a JSON lines file.

    A training that continues at iteration `start` first drops the lines from there on, so that
    the file reads as if it had never been interrupted.
    """

    def __init__(self, path: Path, start: int) -> None:
        kept = [line for line in read_json_lines(path) if line.get("iteration", start) < start]
        if [line["iteration"] for line in kept] != list(range(start)):
            warn(f"{path}: lines of iterations before {start} are missing")
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._path = path
        self._pending: dict[str, Any] = {}

    def write(self) -> None:
        """Note the scalars of the current iteration; Detectron2 calls this after every step."""
        storage = get_event_storage()
        latest = storage.latest()
        if "total_loss" not in latest:
            return
        # After the last step the storage already stands one further than the scalars it holds.
        iteration = latest["total_loss"][1]
        if self._pending and self._pending["iteration"] != iteration:
            self._flush()
        values = {name: value for name, (value, when) in latest.items() if when >= iteration}
        values.pop("data_time", None)
        self._pending = {"iteration": iteration, **self._pending, **values}

    def close(self) -> None:
        """Write what is still pending."""
        self._flush()

    def sync(self) -> None:
        """Put every line on the disk, so that a checkpoint never knows more than the curves."""
        self._flush()
        with _shown_as_error(self._path), self._path.open("a") as file:
            os.fsync(file.fileno())

    def _flush(self) -> None:
        if self._pending:
            with _shown_as_error(self._path), self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._pending) + "\n")
        self._pending = {}


@contextmanager
def _shown_as_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FewshotError(f"{path}: cannot be written ({error.strerror})") from error
