"""What every filter asks of a slice."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

Grey: TypeAlias = NDArray[np.uint8]


def check_grey(image: NDArray[Any], what: str) -> None:
    """Raise `InputError` unless the image is 8-bit grey of shape (height, width), not empty."""
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            f"{what}: the image is {image.dtype} of shape {image.shape}; "
            "give 8-bit grey of shape (height, width) (fewshot convert --window makes it)"
        )


def to_grey(values: NDArray[np.floating[Any]]) -> Grey:
    """Return values as grey levels: rounded, and clipped to 0 to 255."""
    grey: Grey = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return grey
