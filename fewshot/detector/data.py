"""Slices on their way into the detector: reading, augmentation, and a fixed order of samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from detectron2.structures import BitMasks, Instances
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from fewshot.config.tree import AugmentationSettings
from fewshot.detector.augmentation import augment
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.slices.images import read_image

Sample = dict[str, Any]


@dataclass(frozen=True)
class TrainingSource:
    """Slices to train on, and how often each is drawn in one pass over all sources."""

    slices: SliceSet
    repeat: int = 1


class TrainingSamples(Dataset[Sample]):
    """The endless sequence of training samples, addressed by position.

    A sample depends on the seed and its position alone: not on the number of workers, nor on where
    a training was interrupted. Passes over the slices are shuffled one by one. Slices without
    masks take part.
    """

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        augmentation: AugmentationSettings,
        seed: int,
        input_size: int | None = None,
    ) -> None:
        self._items = [
            (source.slices, record)
            for source in sources
            for _ in range(source.repeat)
            for record in source.slices.records
        ]
        if not self._items:
            raise ValueError("no slices to train on")
        self._augmentation = augmentation
        self._seed = seed
        self._input_size = input_size
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position, in the form that Detectron2's models take."""
        turn, index = divmod(position, len(self._items))
        slices, record = self._items[self._order(turn)[index]]
        image = read_slice(slices, record)
        masks = slices.masks_of(record.image_id).decode().astype(np.uint8)
        rng = np.random.default_rng([self._seed, 1, position])
        size = resized_shape(image, self._input_size)
        image, masks = augment(image, masks, self._augmentation, rng, size)
        return {
            "image": to_channels(image),
            "instances": _to_instances(masks),
            "file_name": record.file_name,
            "image_id": record.image_id,
            "height": size[0],
            "width": size[1],
        }

    def _shuffled(self, turn: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, 0, turn]).permutation(len(self._items))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_order"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._order = lru_cache(maxsize=2)(self._shuffled)


def training_batches(
    samples: TrainingSamples, batch_size: int, start: int, stop: int, workers: int
) -> DataLoader[Sample]:
    """Return the batches of iterations `start` to `stop`, in order."""
    return DataLoader(
        samples,
        batch_size=batch_size,
        sampler=range(start * batch_size, stop * batch_size),
        num_workers=workers,
        collate_fn=list,
        # Its own, so that starting the loader leaves the training's random numbers alone.
        generator=torch.Generator(),
    )


def prediction_batches(
    slices: SliceSet, batch_size: int, input_size: int | None
) -> Iterator[tuple[list[SliceRecord], list[Sample]]]:
    """Yield slices in batches, as records and as the samples Detectron2's models take."""
    for start in range(0, len(slices.records), batch_size):
        records = list(slices.records[start : start + batch_size])
        yield records, [prediction_sample(slices, record, input_size) for record in records]


def prediction_sample(slices: SliceSet, record: SliceRecord, input_size: int | None) -> Sample:
    """Return one slice as a sample, resized for the detector but answered in its own size."""
    image = read_slice(slices, record)
    size = resized_shape(image, input_size)
    if size != image.shape:
        still = AugmentationSettings(
            flip=False, rotation=0, scale=0, shift=0, contrast=0, brightness=0, noise=0
        )
        no_masks = np.zeros((0, *image.shape), dtype=np.uint8)
        image, _ = augment(image, no_masks, still, np.random.default_rng(0), size)
    return {"image": to_channels(image), "height": record.height, "width": record.width}


def read_slice(slices: SliceSet, record: SliceRecord) -> NDArray[np.float32]:
    """Return a slice as float32 (height, width), grey levels 0–255."""
    return read_image(slices.path_of(record)).astype(np.float32)


def resized_shape(image: NDArray[np.float32], input_size: int | None) -> tuple[int, int]:
    """Return a slice's (height, width) with the shorter side `input_size` long, if that is set."""
    height, width = image.shape
    if input_size is None:
        return height, width
    factor = input_size / min(height, width)
    return round(height * factor), round(width * factor)


def to_channels(image: NDArray[np.float32]) -> torch.Tensor:
    """Return a float32 (3, height, width) tensor with the grey slice in every channel."""
    return torch.from_numpy(image).expand(3, *image.shape)


def _to_instances(masks: NDArray[np.uint8]) -> Instances:
    kept = masks[masks.any(axis=(1, 2))]
    bitmasks = BitMasks(torch.from_numpy(kept.astype(bool)))
    instances = Instances(masks.shape[1:])
    instances.gt_masks = bitmasks
    instances.gt_boxes = bitmasks.get_bounding_boxes()
    instances.gt_classes = torch.zeros(len(kept), dtype=torch.int64)
    return instances
