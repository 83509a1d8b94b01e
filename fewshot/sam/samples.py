"""The endless sequence of samples of a fine-tuning, addressed by position."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.config.sam import FinetuneSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.sam.prompt_sampling import Task, training_task
from fewshot.slices.augmentation import augment
from fewshot.slices.images import read_image
from fewshot.training.sampling import DrawnSamples, TrainingSource


@dataclass(frozen=True, eq=False)
class Sample:
    """A slice and its task; `image` is None if its embedding is used instead."""

    record: SliceRecord
    image: NDArray[np.uint8] | None
    task: Task


class FinetuneSamples(DrawnSamples[Sample]):
    """Labelled slices with random prompts.

    They are augmented only if the image encoder is trained: embeddings are of unchanged slices.
    """

    def __init__(
        self,
        slices: SliceSet,
        settings: FinetuneSettings,
        augmentation: AugmentationSettings,
        seed: int,
    ) -> None:
        super().__init__([TrainingSource(slices)], seed)
        self._slices, self._settings, self._augmentation = slices, settings, augmentation

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position."""
        _, record, rng = self.drawn(position)
        masks = self._slices.masks_of(record.image_id).decode()
        image = None
        if self._settings.train == "all":
            image, masks = self._augmented(record, masks, rng)
        settings = self._settings
        task = training_task(masks, settings.prompts, settings.jitter, settings.most_prompts, rng)
        return Sample(record, image, task)

    def _augmented(
        self, record: SliceRecord, masks: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        image = read_image(self._slices.path_of(record))
        changed, moved = augment(
            image.astype(np.float32), masks.astype(np.uint8), self._augmentation, rng
        )
        seen = moved.any(axis=(1, 2))
        if not seen.any():
            return image, masks
        return np.rint(changed).astype(np.uint8), moved[seen].astype(bool)
