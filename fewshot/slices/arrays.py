"""Names of the array types that are used everywhere."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

LabelMap: TypeAlias = NDArray[np.integer[Any]]
"""Ids of regions, shape (height, width), 0 for background, in integers of any size."""

ByteLabelMap: TypeAlias = NDArray[np.uint8]
"""A label map of ids from 0 to 255, one byte a pixel."""

Mask: TypeAlias = NDArray[np.bool_]
"""Which pixels belong to something, shape (height, width), or (masks, height, width) for many."""

Labels: TypeAlias = LabelMap | Mask
"""What is compared with other labels: a label map, or the mask of one region."""
