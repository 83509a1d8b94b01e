"""Data of semantic networks: reading slices, targets, and the order of samples."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings, ViewSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.preprocess.reader import read_preprocessed
from fewshot.semantic.regions import boundaries
from fewshot.slices.augmentation import augment
from fewshot.slices.images import read_colour
from fewshot.training.sampling import DrawnSamples, TrainingSource


class Batch(NamedTuple):
    """Slices and their targets.

    `slices` are float32 (n, channels, height, width), grey levels 0–255; `targets` float32
    (n, outputs, height, width), 0 or 1; `weights` float32 (n, 1, height, width), of pixels; `names`
    the slices' files.
    """

    slices: Tensor
    targets: Tensor
    weights: Tensor
    names: list[str]


class SemanticSamples(DrawnSamples[Batch]):
    """The endless sequence of training samples; each is a batch of one."""

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        settings: SemanticSettings,
        augmentation: AugmentationSettings,
        seed: int,
        preprocess: PreprocessSettings = AS_READ,
    ) -> None:
        super().__init__(sources, seed)
        self._settings, self._augmentation = settings, augmentation
        self._preprocess = preprocess

    def __getitem__(self, position: int) -> Batch:
        """Return the sample at a position."""
        source, record, rng = self.drawn(position)
        image = read_slice(source.slices, record, self._settings.channels, self._preprocess)
        # Where a moved slice leaves a gap, no pixel counts: its weight is 0 there.
        changed, (label_map, weights) = augment(
            image.astype(np.float32), np.stack(_truth(source, record)), self._augmentation, rng
        )
        targets = [label_map != 0]
        if self._settings.boundary:
            targets.append(boundaries(label_map.astype(np.int32)))
        return Batch(
            to_tensor(changed)[None],
            torch.from_numpy(np.stack(targets).astype(np.float32))[None],
            torch.from_numpy(weights)[None, None],
            [record.file_name],
        )


def collate(samples: Sequence[Batch]) -> Batch:
    """Return samples as one batch; smaller ones get black edges of weight 0."""
    height = max(sample.slices.shape[-2] for sample in samples)
    width = max(sample.slices.shape[-1] for sample in samples)

    def joined(parts: Sequence[Tensor]) -> Tensor:
        padded = [
            torch.nn.functional.pad(one, (0, width - one.shape[-1], 0, height - one.shape[-2]))
            for one in parts
        ]
        return torch.cat(padded)

    return Batch(
        joined([sample.slices for sample in samples]),
        joined([sample.targets for sample in samples]),
        joined([sample.weights for sample in samples]),
        [name for sample in samples for name in sample.names],
    )


def prediction_batches(
    slices: SliceSet,
    batch_size: int,
    channels: int,
    view: ViewSettings,
    preprocess: PreprocessSettings = AS_READ,
) -> Iterator[tuple[list[SliceRecord], list[Tensor]]]:
    """Yield slices of equal size in batches: records, and float32 (channels, height, width) each.

    They are scaled and flipped as the view says.
    """
    for (height, width), run in groupby(slices.records, lambda one: (one.height, one.width)):
        records = list(run)
        size = round(width * view.scale), round(height * view.scale)
        for start in range(0, len(records), batch_size):
            chosen = records[start : start + batch_size]
            images = [read_slice(slices, record, channels, preprocess) for record in chosen]
            if view.scale != 1:
                images = [np.asarray(cv2.resize(image, size)) for image in images]
            tensors = [to_tensor(image) for image in images]
            yield chosen, [one.flip(-1) for one in tensors] if view.flip else tensors


def read_slice(
    slices: SliceSet,
    record: SliceRecord,
    channels: int,
    preprocess: PreprocessSettings = AS_READ,
) -> NDArray[np.uint8]:
    """Return a preprocessed slice, uint8 (height, width), or (height, width, 3) for 3 channels.

    Raises `InputError` where preprocessing makes three channels of it and one is wanted.
    """
    path = slices.path_of(record)
    if channels == 3 and preprocess.changes_nothing:
        return read_colour(path)
    image = read_preprocessed(path, preprocess)
    if channels == 1 and image.ndim == 3:
        raise InputError(
            "preprocess: makes three channels of a slice; give the semantic network channels: 3"
        )
    return image if channels == 1 or image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def to_tensor(image: NDArray[Any]) -> Tensor:
    """Return an image (height, width[, 3]) as float32 (channels, height, width)."""
    channels = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    return torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))


def _truth(
    source: TrainingSource, record: SliceRecord
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a slice's label map and pixel weights.

    With score weighting, a mask's score is the weight of its pixels. Uncertain masks are ignored,
    except where a certain mask covers them.
    """
    masks = source.slices.masks_of(record.image_id)
    label_map = masks.to_label_map()
    weights = np.ones(label_map.shape, dtype=np.float32)
    if source.score_weighted:
        for score, mask in sorted(zip(masks.scores, masks.decode(), strict=True), key=_score):
            weights[mask] = score
    if source.uncertain is not None:
        unsure = source.uncertain.masks_of(record.image_id).decode().any(axis=0)
        weights[unsure & (label_map == 0)] = 0
    return label_map.astype(np.float32), weights


def _score(pair: tuple[np.float32, NDArray[np.bool_]]) -> float:
    return float(pair[0])
