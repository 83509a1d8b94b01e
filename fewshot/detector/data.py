"""Data of detectors: reading slices, augmentation, and the order of samples."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.structures import BitMasks, Instances
from numpy.typing import NDArray

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import AugmentationSettings, FinalAugmentationSettings, ViewSettings
from fewshot.detector.copy_paste import Truth, paste
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.preprocess.reader import read_preprocessed
from fewshot.slices.augmentation import augment, recolour, warp
from fewshot.training.sampling import DrawnSamples, TrainingSource

Sample = dict[str, Any]


class TrainingSamples(DrawnSamples[Sample]):
    """The endless sequence of training samples, as input of Detectron2's models.

    It includes slices without masks.
    """

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        augmentation: AugmentationSettings,
        seed: int,
        input_size: int | None = None,
        preprocess: PreprocessSettings = AS_READ,
    ) -> None:
        super().__init__(sources, seed)
        self._augmentation = augmentation
        self._copy_paste = (
            augmentation.copy_paste if isinstance(augmentation, FinalAugmentationSettings) else 0.0
        )
        self._input_size = input_size
        self._preprocess = preprocess

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position."""
        source, record, rng = self.drawn(position)
        image, truth = self._warped(source, record, rng)
        if self._copy_paste and rng.random() < self._copy_paste:
            donor = self.sources[0]
            other = donor.slices.records[rng.integers(len(donor.slices))]
            image, truth = paste((image, truth), self._warped(donor, other, rng), rng)
        image = recolour(image, self._augmentation, rng)
        return {
            "image": to_channels(image),
            "instances": to_instances(truth, shape_of(image)),
            "file_name": record.file_name,
            "image_id": record.image_id,
            "height": image.shape[0],
            "width": image.shape[1],
        }

    def _warped(
        self, source: TrainingSource, record: SliceRecord, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Truth]:
        image = read_slice(source.slices, record, self._preprocess)
        labels = source.slices.masks_of(record.image_id)
        unsure = None if source.uncertain is None else source.uncertain.masks_of(record.image_id)
        masks = labels.decode()
        if unsure is not None:
            masks = np.concatenate([masks, unsure.decode()])
        size = resized_shape(image, self._input_size)
        image, changed = warp(image, masks.astype(np.uint8), self._augmentation, rng, size)
        weights = labels.scores if source.score_weighted else np.ones(len(labels), dtype=np.float32)
        return image, Truth(changed[: len(labels)], weights, changed[len(labels) :])


def prediction_batches(
    slices: SliceSet,
    batch_size: int,
    input_size: int | None,
    view: ViewSettings | None = None,
    preprocess: PreprocessSettings = AS_READ,
) -> Iterator[tuple[list[SliceRecord], list[Sample]]]:
    """Yield batches of slices, as records and as input of Detectron2's models."""
    for start in range(0, len(slices.records), batch_size):
        records = list(slices.records[start : start + batch_size])
        yield (
            records,
            [prediction_sample(slices, one, input_size, view, preprocess) for one in records],
        )


def prediction_sample(
    slices: SliceSet,
    record: SliceRecord,
    input_size: int | None,
    view: ViewSettings | None = None,
    preprocess: PreprocessSettings = AS_READ,
) -> Sample:
    """Return a slice as a sample, resized for the detector; predictions have the original size.

    Predictions of a flipped view are flipped.
    """
    view = view or ViewSettings()
    image = read_slice(slices, record, preprocess)
    size = resized_shape(image, input_size, view.scale)
    if size != shape_of(image):
        still = AugmentationSettings(
            flip=False, rotation=0, scale=0, shift=0, contrast=0, brightness=0, noise=0
        )
        no_masks = np.zeros((0, *shape_of(image)), dtype=np.uint8)
        image, _ = augment(image, no_masks, still, np.random.default_rng(0), size)
    if view.flip:
        image = np.ascontiguousarray(image[:, ::-1])
    return {"image": to_channels(image), "height": record.height, "width": record.width}


def read_slice(
    slices: SliceSet, record: SliceRecord, preprocess: PreprocessSettings = AS_READ
) -> NDArray[np.float32]:
    """Return a preprocessed slice, grey levels 0–255.

    It is float32 (height, width), or (height, width, 3) where the input channels differ.
    """
    return read_preprocessed(slices.path_of(record), preprocess).astype(np.float32)


def shape_of(image: NDArray[np.float32]) -> tuple[int, int]:
    """Return the (height, width) of a slice with or without channels."""
    return image.shape[0], image.shape[1]


def resized_shape(
    image: NDArray[np.float32], input_size: int | None, scale: float = 1.0
) -> tuple[int, int]:
    """Return a slice's (height, width) times `scale`.

    If `input_size` is set, the shorter side is made that long first.

    >>> resized_shape(np.zeros((200, 300), np.float32), input_size=400)
    (400, 600)
    """
    height, width = shape_of(image)
    factor = scale * (1 if input_size is None else input_size / min(height, width))
    return round(height * factor), round(width * factor)


def to_channels(image: NDArray[np.float32]) -> torch.Tensor:
    """Return a float32 (3, height, width) tensor; a grey slice is repeated in all channels."""
    if image.ndim == 3:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0)))
    return torch.from_numpy(image).expand(3, *image.shape)


def to_instances(truth: Truth, size: tuple[int, int]) -> Instances:
    """Return the masks of a slice as instances for the heads (see `detector.heads`)."""
    masks = np.concatenate([truth.masks, truth.uncertain])
    weights = np.concatenate([truth.weights, np.ones(len(truth.uncertain), dtype=np.float32)])
    seen = masks.any(axis=(1, 2))
    bitmasks = BitMasks(torch.from_numpy(masks[seen].astype(bool)))
    instances = Instances(size)
    instances.gt_masks = bitmasks
    instances.gt_boxes = bitmasks.get_bounding_boxes()
    instances.gt_classes = torch.zeros(len(bitmasks), dtype=torch.int64)
    if (weights != 1).any():
        instances.gt_weight = torch.from_numpy(weights[seen])
    if len(truth.uncertain):
        certain = np.arange(len(masks)) < len(truth.masks)
        instances.gt_certain = torch.from_numpy(certain[seen])
    return instances
