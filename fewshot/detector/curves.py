"""Learning curves as one JSON line an iteration, written while training."""

import json
from pathlib import Path
from typing import Any

from detectron2.utils.events import EventWriter, get_event_storage

from fewshot.files import read_json_lines


class CurveWriter(EventWriter):  # type: ignore[misc]
    """Appends the exact, unsmoothed scalars of each iteration to a JSON lines file.

    A training that continues at iteration `start` first drops the lines from there on, so that
    the file reads as if it had never been interrupted.
    """

    def __init__(self, path: Path, start: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_json_lines(path) if line["iteration"] < start]
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
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

    def _flush(self) -> None:
        if self._pending:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._pending) + "\n")
        self._pending = {}
