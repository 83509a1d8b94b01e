"""Random changes of a training slice, by albumentations."""

import random
from collections.abc import Sequence
from typing import Any

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.config.semantic import SemanticAugmentation


class Augmentation:
    """The changes that settings ask for, each slice's drawn from a generator of its own."""

    def __init__(self, settings: SemanticAugmentation) -> None:
        self._transforms = _transforms(settings)

    def __call__(
        self, image: NDArray[np.uint8], masks: Sequence[NDArray[Any]], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], list[NDArray[Any]]]:
        """Return a changed slice and its masks, moved alike.

        Args:
            image: uint8 (height, width) or (height, width, 3).
            masks: label maps and weights, (height, width) each; read at the nearest pixel, and 0
                where a moved slice leaves a gap.
            rng: the only source of randomness.
        """
        if not self._transforms:
            return image, list(masks)
        chain = albumentations.Compose(self._transforms)
        # One generator for all, in this order; seeded one by one they would act in step.
        chain.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        changed = chain(image=image, masks=list(masks))
        return changed["image"], list(changed["masks"])


def _transforms(settings: SemanticAugmentation) -> list[Any]:
    one = albumentations
    chosen: list[tuple[float, Any]] = [
        (
            settings.affine,
            lambda p: one.Affine(
                scale=(1 - settings.scale, 1 + settings.scale),
                translate_percent=(-settings.shift, settings.shift),
                rotate=(-settings.rotation, settings.rotation),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_CONSTANT,
                p=p,
            ),
        ),
        (
            float(settings.crop is not None),
            lambda p: one.RandomCrop(settings.crop, settings.crop, pad_if_needed=True, p=p),
        ),
        (settings.horizontal_flip, lambda p: one.HorizontalFlip(p=p)),
        (settings.vertical_flip, lambda p: one.VerticalFlip(p=p)),
        (settings.quarter_turn, lambda p: one.RandomRotate90(p=p)),
        (settings.clahe, lambda p: one.CLAHE(clip_limit=(1.0, settings.clahe_clip), p=p)),
        (
            settings.brightness_contrast,
            lambda p: one.RandomBrightnessContrast(settings.brightness, settings.contrast, p=p),
        ),
        (
            settings.gamma,
            lambda p: one.RandomGamma(
                (100 * (1 - settings.gamma_limit), 100 * (1 + settings.gamma_limit)), p=p
            ),
        ),
    ]
    return [make(often) for often, make in chosen if often > 0]
