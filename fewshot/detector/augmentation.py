"""Random changes of a training slice, suited to medical slices."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.config.tree import AugmentationSettings


def augment(
    image: NDArray[np.float32],
    masks: NDArray[np.uint8],
    settings: AugmentationSettings,
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return a randomly changed slice and its masks, changed alike.

    Args:
        image: float32 (height, width), grey levels 0–255.
        masks: uint8 (n, height, width), 0 or 1; they may overlap.
        settings: how strong each change may be.
        rng: the only source of randomness.
        size: (height, width) of the result; the input's when None.

    Returns:
        The image, float32, clipped to 0–255, and the masks, uint8 (n, *size). A mask may have
        become empty.
    """
    height, width = image.shape
    target = size or (height, width)
    matrix = _random_affine(height, width, target, settings, rng)
    shape = (target[1], target[0])
    warped = np.zeros(target, dtype=np.float32)
    cv2.warpAffine(image, matrix, shape, dst=warped, flags=cv2.INTER_LINEAR)
    warped_masks = np.zeros((len(masks), *target), dtype=np.uint8)
    for mask, out in zip(masks, warped_masks, strict=True):
        cv2.warpAffine(mask, matrix, shape, dst=out, flags=cv2.INTER_NEAREST)
    return _random_intensity(warped, settings, rng), warped_masks


def _random_affine(
    height: int,
    width: int,
    target: tuple[int, int],
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """A 2×3 matrix that maps source pixels to target pixels, turning about the slice's middle."""
    angle = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation))
    scale = 1 + rng.uniform(-settings.scale, settings.scale)
    shift = rng.uniform(-settings.shift, settings.shift, size=2) * (width, height)
    mirror = -1.0 if settings.flip and rng.random() < 0.5 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    resize = np.diag([target[1] / width, target[0] / height])
    linear = resize @ (scale * turn) @ np.diag([mirror, 1.0])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    target_middle = np.array([(target[1] - 1) / 2, (target[0] - 1) / 2])
    offset = target_middle - linear @ middle + resize @ shift
    return np.column_stack([linear, offset])


def _random_intensity(
    image: NDArray[np.float32], settings: AugmentationSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    offset = 255 * rng.uniform(-settings.brightness, settings.brightness)
    deviation = 255 * rng.uniform(0, settings.noise)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    changed = image * np.float32(gain) + np.float32(offset) + noise
    clipped: NDArray[np.float32] = np.clip(changed, 0, 255)
    return clipped
