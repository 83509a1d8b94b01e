"""Random augmentation of training slices, suited to medical images."""

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.config.tree import AugmentationSettings

Matrix = NDArray[np.float64]
_Pixel = TypeVar("_Pixel", np.float32, np.uint8)

_BEND_GRID = 6  # random shifts on a coarse grid of so many points a side are smoothed over all
_LEAST_BLUR = 0.1  # below, a Gaussian is one pixel


def augment(
    image: NDArray[np.float32],
    masks: NDArray[_Pixel],
    settings: AugmentationSettings,
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[_Pixel]]:
    """Return a randomly augmented slice with its masks.

    Args:
        image: float32 (height, width), grey levels 0–255, or (height, width, channels).
        masks: uint8 (n, height, width), 0 or 1, which may overlap; or float32, of any values that
            belong to pixels. Read at the nearest pixel, and 0 where the slice leaves a gap.
        settings: strength of each change.
        rng: the only source of randomness.
        size: (height, width) of the result; the input's when None.

    Returns:
        The image, float32, clipped to 0–255, and the masks (n, *size). A mask may have become
        empty.
    """
    warped, warped_masks = warp(image, masks, settings, rng, size)
    return recolour(warped, settings, rng), warped_masks


def warp(
    image: NDArray[np.float32],
    masks: NDArray[_Pixel],
    settings: AugmentationSettings,
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[_Pixel]]:
    """Return a slice and its masks after the same spatial transform."""
    height, width = image.shape[:2]
    target: tuple[int, int] = size or (height, width)
    matrix = _random_affine(height, width, target, settings, rng)
    move = _Warp(matrix, target, _random_bend(target, settings.elastic, rng))
    warped = move(image, cv2.INTER_LINEAR)
    warped_masks = np.zeros((len(masks), *target), dtype=masks.dtype)
    for mask, out in zip(masks, warped_masks, strict=True):
        out[:] = move(mask, cv2.INTER_NEAREST)
    return warped, warped_masks


class _Warp:
    """An affine transform of the pixels, followed by an elastic deformation."""

    def __init__(
        self, matrix: Matrix, target: tuple[int, int], bend: NDArray[np.float32] | None
    ) -> None:
        self._matrix = matrix
        self._shape = (target[1], target[0])
        self._sources = None if bend is None else _sources(matrix, bend)

    def __call__(self, values: NDArray[_Pixel], interpolation: int) -> NDArray[_Pixel]:
        """Return a transformed (height, width, …) array, 0 where it comes from outside."""
        warped: Any
        if self._sources is None:
            warped = cv2.warpAffine(values, self._matrix, self._shape, flags=interpolation)
        else:
            warped = cv2.remap(values, self._sources[0], self._sources[1], interpolation)
        result: NDArray[_Pixel] = warped
        return result


def _sources(matrix: Matrix, bend: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the source x and y of each target pixel, (2, height, width)."""
    rows, columns = np.indices(bend.shape[1:], dtype=np.float32)
    back = cv2.invertAffineTransform(matrix)
    places = np.stack([columns + bend[0], rows + bend[1]])
    sources = np.tensordot(back[:, :2], places, axes=1) + back[:, 2, None, None]
    return sources.astype(np.float32)


def _random_bend(
    target: tuple[int, int], strength: float, rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Return (2, height, width) smooth random shifts in x and y in pixels, or None.

    Source: P. Y. Simard, D. Steinkraus and J. C. Platt, Best practices for convolutional neural
    networks applied to visual document analysis, ICDAR 2003, with a coarse grid in place of their
    filter.
    """
    if not strength:
        return None
    side = min(target)
    coarse = rng.uniform(-1, 1, (_BEND_GRID, _BEND_GRID, 2)) * strength * side * rng.random()
    smooth = cv2.resize(coarse, (target[1], target[0]), interpolation=cv2.INTER_CUBIC)
    return np.moveaxis(smooth, 2, 0).astype(np.float32)


def _random_affine(
    height: int,
    width: int,
    target: tuple[int, int],
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> Matrix:
    """Return a random 2×3 matrix from source to target pixels, about the slice's centre."""
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


def recolour(
    image: NDArray[np.float32], settings: AugmentationSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a slice with its grey levels changed, in the same way in all channels."""
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    offset = 255 * rng.uniform(-settings.brightness, settings.brightness)
    deviation = 255 * rng.uniform(0, settings.noise)
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(deviation)
    noise = noise.reshape(*noise.shape, *[1] * (image.ndim - 2))  # the same in all channels
    changed = _random_gamma(image, settings.gamma, rng) if settings.gamma else image
    changed = _random_blur(changed, settings.blur, rng) if settings.blur else changed
    changed = changed * np.float32(gain) + np.float32(offset) + noise
    clipped: NDArray[np.float32] = np.clip(changed, 0, 255)
    if settings.cutout:
        _cut_out(clipped, settings.cutout, rng)
    return clipped


def _random_gamma(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    exponent = np.float32((1 + strength) ** rng.uniform(-1, 1))
    curved: NDArray[np.float32] = 255 * (np.clip(image, 0, 255) / np.float32(255)) ** exponent
    return curved


def _random_blur(
    image: NDArray[np.float32], largest: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    sigma = largest * rng.random()
    if sigma < _LEAST_BLUR:
        return image
    blurred: Any = cv2.GaussianBlur(image, (0, 0), sigma)
    result: NDArray[np.float32] = blurred
    return result


def _cut_out(image: NDArray[np.float32], largest: float, rng: np.random.Generator) -> None:
    """Replace a random square by its channel means, in place.

    Source: T. DeVries and G. W. Taylor, Improved regularization of convolutional neural networks
    with cutout, arXiv 1708.04552, 2017.
    """
    side = round(largest * min(image.shape[:2]) * rng.random())
    row, column = rng.integers(0, image.shape[0]), rng.integers(0, image.shape[1])
    top, left = max(row - side // 2, 0), max(column - side // 2, 0)
    image[top : row + (side + 1) // 2, left : column + (side + 1) // 2] = image.mean((0, 1))
