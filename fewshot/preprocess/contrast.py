"""Contrast enhancement."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.preprocess.checks import Grey, check_grey


def clahe(image: NDArray[Any], clip_limit: float = 2.0, tiles: int = 8) -> Grey:
    """Return a grey slice after contrast limited adaptive histogram equalisation.

    Args:
        image: uint8 (height, width).
        clip_limit: the highest a bin of a tile's histogram may be, times that of a flat histogram.
        tiles: tiles a side; no more than the image has pixels.

    Raises `InputError` for other images. Every slice is stretched over its own tiles, so equal
    greys of different slices do not stay equal.
    Source: S. M. Pizer et al., Contrast-limited adaptive histogram equalization: speed and
    effectiveness, Visualization in Biomedical Computing 1990; OpenCV's implementation.

    >>> dull = np.tile(np.arange(100, 132, dtype=np.uint8), (32, 1))
    >>> int(np.ptp(dull)), int(np.ptp(clahe(dull)))
    (31, 79)
    """
    import cv2

    check_grey(image, "clahe")
    grid = (min(tiles, image.shape[1]), min(tiles, image.shape[0]))
    return np.asarray(cv2.createCLAHE(clip_limit, grid).apply(image), dtype=np.uint8)
