"""Learning curves of Detectron2's trainer, one JSON line an iteration."""

from pathlib import Path
from typing import Any

from detectron2.utils.events import EventWriter, get_event_storage

from fewshot.training.curves import CurveFile


class CurveWriter(EventWriter):  # type: ignore[misc]
    """Appends the exact, unsmoothed scalars of each iteration to a `CurveFile`."""

    def __init__(self, path: Path, start: int) -> None:
        self._file = CurveFile(path, start)
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
            self.close()
        values = {name: value for name, (value, when) in latest.items() if when >= iteration}
        values.pop("data_time", None)
        self._pending = {"iteration": iteration, **self._pending, **values}

    def close(self) -> None:
        """Write what is still pending."""
        if self._pending:
            self._file.append(self._pending)
        self._pending = {}

    def sync(self) -> None:
        """Put every line on the disk, so that a checkpoint never knows more than the curves."""
        self.close()
        self._file.sync()
