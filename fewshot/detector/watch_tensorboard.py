"""Trainings in TensorBoard: one folder of event files a model, all below one folder a run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

_EVENTS = "events.out.tfevents.*"


class TensorBoardWatcher:
    """Writes scalars and pictures as event files.

    A training that starts anew removes the events of the one before; one that continues at an
    iteration marks what was written from there on as superseded.
    """

    def __init__(self, folder: Path, start: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if start == 0:
            for old in folder.glob(_EVENTS):
                old.unlink()
        self._writer = SummaryWriter(str(folder), purge_step=start + 1 if start else None)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note values by readable name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)

    def pictures(self, iteration: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Note RGB pictures by name, so that they can be seen at once."""
        for name, picture in pictures.items():
            self._writer.add_image(name, picture, iteration, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write what is still pending."""
        self._writer.close()
