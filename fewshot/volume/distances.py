"""Signed distances of the sections of a structure."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.slices.arrays import Mask

Field = NDArray[np.float32]


def signed_distance(mask: Mask, pixel: tuple[float, float]) -> Field:
    """Return the distance of each pixel to the outline in mm, positive inside, float32.

    The outline lies half-way between neighbouring pixels, and a section may reach the edge of the
    slice. Exact; OpenCV where pixels are square.
    """
    framed = np.pad(mask, 1)
    inside, outside = _distance(framed, pixel), _distance(~framed, pixel)
    found: Field = (inside - outside)[1:-1, 1:-1]
    return found


def _distance(mask: Mask, pixel: tuple[float, float]) -> Field:
    """Return the distance of each pixel of a mask to the nearest one outside it."""
    if abs(pixel[0] - pixel[1]) <= 1e-4 * pixel[0]:
        square = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        found: Field = np.asarray(square, np.float32) * np.float32(pixel[0])
        return found
    exact: Field = ndimage.distance_transform_edt(mask, sampling=pixel).astype(np.float32)
    return exact
