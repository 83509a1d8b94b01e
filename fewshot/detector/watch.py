"""Watching a training while it runs: what goes to TensorBoard and MLflow, under readable names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from detectron2.utils.events import EventWriter, get_event_storage
from numpy.typing import NDArray

from fewshot.config.logging import LoggingSettings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import read_image

NAMES = {
    "total_loss": "loss/total",
    "loss_mask": "loss/mask",
    "loss_cls": "loss/class",
    "loss_box_reg": "loss/box",
    "loss_rpn_cls": "loss/proposal_class",
    "loss_rpn_loc": "loss/proposal_box",
    "lr": "learning_rate",
    "validation/ap": "validation/AP",
    "validation/ap50": "validation/AP50",
    "validation/ap75": "validation/AP75",
    "validation/ari": "validation/ARI_all_pixels",
}
"""Scalars that are shown, by Detectron2's names and ours."""

_SIDE = 256  # pixels of the longer side of a drawn slice, at least
_SURE = 0.5  # masks from this score on are drawn
# Okabe and Ito's colours without those that are too dark for a grey slice.
_COLORS = (
    *((230, 159, 0), (86, 180, 233), (240, 228, 66), (204, 121, 167), (0, 192, 139)),
    (255, 127, 42),
)

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Watch:
    """Where a training can be watched.

    Attributes:
        settings: what is wanted.
        folder: of its own logs; the name is the model's, that above its parent the run's.
        iterations: how long the training is.
        parameters: what to note beside its curves.
    """

    settings: LoggingSettings
    folder: Path
    iterations: int
    parameters: Mapping[str, str | int | float]


class Watcher(Protocol):
    """A place that scalars and pictures of a training go to."""

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note values by readable name; `iteration` counts from 1."""

    def pictures(self, iteration: int, pictures: Mapping[str, Picture]) -> None:
        """Note RGB pictures by name."""

    def close(self) -> None:
        """Write what is still pending."""


class Watchers(EventWriter):  # type: ignore[misc]
    """EpochMetrics what Detectron2's event storage holds on to all watchers, once an iteration."""

    def __init__(self, watchers: Sequence[Watcher], images: int, last: int) -> None:
        """`images` validation slices are drawn at an evaluation; `last` is the last iteration."""
        self._watchers = watchers
        self._images = images
        self._last = last
        self._seen: dict[str, int] = {}

    def write(self) -> None:
        """Pass on the scalars that are new; Detectron2 calls this after every step."""
        if not self._watchers:
            return
        fresh: dict[int, dict[str, float]] = {}
        for name, (value, when) in get_event_storage().latest().items():
            if name in NAMES and self._seen.get(name) != when:
                self._seen[name] = when
                fresh.setdefault(self._step(when), {})[NAMES[name]] = float(value)
        for iteration, values in fresh.items():
            for watcher in self._watchers:
                watcher.scalars(iteration, values)

    def look(
        self, validation: SliceSet, predictions: Mapping[int, SliceMasks], iteration: int
    ) -> None:
        """Draw some validation slices with their true and predicted masks; `iteration` from 0."""
        if not self._watchers or not self._images or not len(validation):
            return
        chosen = _chosen(validation, self._images)
        pictures = {
            f"validation/{record.file_name}": _drawn(validation, record, predictions)
            for record in chosen
        }
        for watcher in self._watchers:
            watcher.pictures(self._step(iteration), pictures)

    def close(self) -> None:
        """Close all watchers."""
        for watcher in self._watchers:
            watcher.close()

    def _step(self, iteration: int) -> int:
        """Return iterations done; after the last one Detectron2's counter stands one further."""
        return min(iteration + 1, self._last)


NO_WATCHERS = Watchers((), 0, 0)


def open_watchers(watch: Watch | None, start: int) -> Watchers:
    """Return the watchers that the settings ask for, of a training that starts at an iteration."""
    if watch is None:
        return NO_WATCHERS
    watchers: list[Watcher] = []
    if watch.settings.tensorboard:
        from fewshot.detector.watch_tensorboard import TensorBoardWatcher

        watchers.append(TensorBoardWatcher(watch.folder, start))
    if watch.settings.mlflow is not None:
        from fewshot.detector.watch_mlflow import MlflowWatcher

        watchers.append(MlflowWatcher(watch.settings.mlflow, watch, start))
    return Watchers(watchers, watch.settings.images, watch.iterations)


def _chosen(validation: SliceSet, most: int) -> list[SliceRecord]:
    """Return slices spread over the set: the same ones at every evaluation and in every model."""
    places = np.linspace(0, len(validation) - 1, min(most, len(validation))).round().astype(int)
    return [validation.records[place] for place in places.tolist()]


def _drawn(
    validation: SliceSet, record: SliceRecord, predictions: Mapping[int, SliceMasks]
) -> Picture:
    """Return a slice twice side by side, RGB: with its true masks, and with the predicted ones."""
    image = read_image(validation.path_of(record))
    found = predictions.get(record.image_id)
    sure = [] if found is None else list(found.above(_SURE).decode())
    true = list(validation.masks_of(record.image_id).decode())
    return np.concatenate([_outlined(image, true), _outlined(image, sure)], axis=1)


def _outlined(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> Picture:
    scale = max(1, -(-_SIDE // max(image.shape)))
    size = (image.shape[1] * scale, image.shape[0] * scale)
    grey = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    picture: Any = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    for number, mask in enumerate(masks):
        large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(picture, contours, -1, _COLORS[number % len(_COLORS)], 1)
    drawn: Picture = picture
    return drawn
