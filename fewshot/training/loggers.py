"""Logs of a running training for TensorBoard and MLflow, under readable names."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.drawing.palette import ON_SLICES, rgb
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import read_image
from fewshot.training.job import TrainingJob

_NAMES = {
    "total_loss": "loss/total",
    "loss_cls": "loss/class",
    "loss_box_reg": "loss/box",
    "loss_rpn_cls": "loss/proposal_class",
    "loss_rpn_loc": "loss/proposal_box",
    "lr": "learning_rate",
    "validation/ap": "validation/AP",
    "validation/ap50": "validation/AP50",
    "validation/ap75": "validation/AP75",
}
_SHOWN = ("validation/", "epoch/")
_SIDE = 256  # pixels of the longer side of a drawn slice, at least
_SURE = 0.5  # masks from this score on are drawn
_COLORS = tuple(map(rgb, ON_SLICES))

Picture = NDArray[np.uint8]


def readable_name(key: str) -> str | None:
    """Return the name of a learning-curve value in the logs, or None if it is not logged."""
    if key in _NAMES or key.startswith(_SHOWN):
        return _NAMES.get(key, key)
    return f"loss/{key.removeprefix('loss_')}" if key.startswith("loss_") else None


class Logger(Protocol):
    """A destination of a training's scalars and pictures."""

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log values by readable name; `iteration` counts from 1."""

    def pictures(self, iteration: int, pictures: Mapping[str, Picture]) -> None:
        """Log RGB pictures by name."""

    def close(self) -> None:
        """Write what is still pending."""


class Loggers:
    """Passes a training's values to all loggers."""

    def __init__(self, loggers: Sequence[Logger], images: int) -> None:
        """`images` validation slices are drawn at an evaluation."""
        self._loggers = loggers
        self._images = images

    def scalars(self, iteration: int, line: Mapping[str, Any]) -> None:
        """Log a line of the learning curves; `iteration` counts from 1."""
        named = {readable_name(key): float(value) for key, value in line.items()}
        values = {name: value for name, value in named.items() if name is not None}
        for logger in self._loggers:
            logger.scalars(iteration, values)

    def pictures(
        self, validation: SliceSet, predictions: Mapping[int, SliceMasks], iteration: int
    ) -> None:
        """Draw some validation slices with their true and predicted masks, where there are any."""
        if not self._loggers or not self._images or not predictions:
            return
        pictures = {
            f"validation/{record.file_name}": _drawn(validation, record, predictions)
            for record in _chosen(validation, self._images)
        }
        for logger in self._loggers:
            logger.pictures(iteration, pictures)

    def close(self) -> None:
        """Close all loggers."""
        for logger in self._loggers:
            logger.close()


def open_loggers(job: TrainingJob, start: int) -> Loggers:
    """Return the loggers that a job asks for; its training starts at iteration `start`."""
    settings, folder = job.logging, job.logs
    if settings is None or folder is None:
        return Loggers((), 0)
    loggers: list[Logger] = []
    if settings.tensorboard:
        from fewshot.training.tensorboard_logger import TensorBoardLogger

        loggers.append(TensorBoardLogger(folder, start))
    if settings.mlflow is not None:
        from fewshot.training.mlflow_logger import MlflowLogger

        parameters = _parameters(job)
        iterations = job.schedule.iterations
        loggers.append(MlflowLogger(settings.mlflow, folder, iterations, parameters, start))
    return Loggers(loggers, settings.images)


def _parameters(job: TrainingJob) -> dict[str, str | int | float]:
    shares = [source.share for source in job.sources]
    return {
        "architecture": getattr(job.settings, "architecture", job.settings.kind),
        "batch_size": job.settings.batch_size,
        "learning_rate": job.schedule.learning_rate,
        "iterations": job.schedule.iterations,
        "labelled_share": shares[0] / sum(shares),
        "seed": job.seed,
    }


def _chosen(validation: SliceSet, most: int) -> list[SliceRecord]:
    """Return evenly spaced slices, the same for all evaluations and models."""
    places = np.linspace(0, len(validation) - 1, min(most, len(validation))).round().astype(int)
    return [validation.records[place] for place in places.tolist()]


def _drawn(
    validation: SliceSet, record: SliceRecord, predictions: Mapping[int, SliceMasks]
) -> Picture:
    """Return an RGB picture of a slice with its true masks next to one with predicted masks."""
    image = read_image(validation.path_of(record))
    found = predictions.get(record.image_id)
    sure = [] if found is None else list(found.above(_SURE).decode())
    true = list(validation.masks_of(record.image_id).decode())
    return np.concatenate([_with_contours(image, true), _with_contours(image, sure)], axis=1)


def _with_contours(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> Picture:
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
