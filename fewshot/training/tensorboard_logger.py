"""Training logs in TensorBoard: one folder of event files per model."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fewshot.progress import warn

_EVENTS = "events.out.tfevents.*"


class TensorBoardLogger:
    """Writes scalars and pictures as event files.

    A new training removes the events of an earlier one; a resumed one marks later events as
    superseded. If logs cannot be written, as on a full disk, logging stops with a warning.
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
        warn(f"TensorBoard logs cannot be written; logging stops: {error}")
        self._writer = None
