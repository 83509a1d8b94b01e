"""Preprocessing as in the settings: steps in order, and up to three channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.preprocessing import (
    BilateralStep,
    CannyStep,
    ClaheStep,
    LogStep,
    MedianStep,
    PreprocessSettings,
    SobelStep,
    Step,
    TotalVariationStep,
)
from fewshot.errors import InputError
from fewshot.preprocess.denoising import bilateral, median, total_variation
from fewshot.preprocess.filters import Grey, canny, check_grey, clahe, laplacian_of_gaussian, sobel


def apply_steps(image: NDArray[Any], steps: Sequence[Step]) -> Grey:
    """Return a uint8 (height, width) slice after a sequence of steps, with the same shape and type.

    Raises `InputError` for other images.
    """
    check_grey(image, "preprocess")
    for step in steps:
        image = _apply(image, step)
    return image


def preprocess(image: NDArray[Any], settings: PreprocessSettings) -> Grey:
    """Return a slice preprocessed as in the settings; deterministic.

    Args:
        image: uint8, (height, width); (height, width, 3) with `input: colour`.
        settings: the steps.

    Returns:
        uint8 (height, width), or (height, width, 3) where channels differ.

    Raises `InputError` for other images.
    """
    if settings.input == "grey":
        planes = [apply_steps(image, settings.steps)]
    elif image.ndim == 3 and image.shape[2] == 3:
        planes = [apply_steps(image[..., channel], settings.steps) for channel in range(3)]
    else:
        raise InputError(f"preprocess.input: colour: the image has shape {image.shape}")
    if settings.channels is not None:
        planes = planes * (3 // len(planes))
        planes = [apply_steps(*pair) for pair in zip(planes, settings.channels, strict=True)]
    return planes[0] if len(planes) == 1 else np.stack(planes, axis=2)


def _apply(image: Grey, step: Step) -> Grey:
    match step:
        case ClaheStep():
            return clahe(image, step.clip_limit, step.tiles)
        case BilateralStep():
            grey = None if step.sigma_grey == "auto" else step.sigma_grey
            return bilateral(image, step.sigma_spatial, grey)
        case TotalVariationStep():
            return total_variation(image, step.weight, step.tolerance, step.iterations)
        case MedianStep():
            return median(image, step.radius)
        case SobelStep():
            return sobel(image, step.gain)
        case CannyStep():
            return canny(image, step.sigma, step.low, step.high)
        case LogStep():
            return laplacian_of_gaussian(image, step.sigma, step.gain)
