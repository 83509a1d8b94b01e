"""Trainings in TensorBoard: one folder of event files a model, all below one folder a run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fewshot.progress import warn

_EVENTS = "events.out.tfevents.*"


class TensorBoardLogger:
    """Writes scalars and pictures as event files.

    A training that starts anew removes the events of the one before; one that continues at an
    iteration marks what was written from there on as superseded. Logs that cannot be written, on a
    full disk, are given up with a warning: the training itself says what it lacks.
    """

    def __init__(self, folder: Path, start: int) -> None:
        self._writer: SummaryWriter | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if start == 0:
                for old in folder.glob(_EVENTS):
                    old.unlink()
            self._writer = SummaryWriter(str(folder), purge_step=start + 1 if start else None)
        except OSError as error:
            self._give_up(error)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log values by readable name."""

        def add(writer: SummaryWriter) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, iteration)

        self._try(add)

    def pictures(self, iteration: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Log RGB pictures by name, so that they can be seen at once."""

        def add(writer: SummaryWriter) -> None:
            for name, picture in pictures.items():
                writer.add_image(name, picture, iteration, dataformats="HWC")
            writer.flush()

        self._try(add)

    def close(self) -> None:
        """Write what is still pending."""
        self._try(lambda writer: writer.close())

    def _try(self, action: Callable[[SummaryWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            action(self._writer)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        warn(f"TensorBoard logs cannot be written, and are given up: {error}")
        self._writer = None
