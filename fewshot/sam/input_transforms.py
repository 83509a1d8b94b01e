"""Transforms of a slice before the image encoder: a filter, and a lower resolution."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class InputTransform:
    """A named transform of grey slices, (height, width) to (height, width) or another size.

    Embeddings are identified by the name, too. A resolution of None keeps the slice's size.
    """

    name: str = "raw"
    apply_filter: Callable[[Image], Image] | None = None
    resolution: int | None = None

    @property
    def key(self) -> str:
        """The name together with the resolution."""
        return self.name if self.resolution is None else f"{self.name}@{self.resolution}"

    def __call__(self, image: Image) -> Image:
        """Return a slice, filtered and then resized so that its longer side is the resolution."""
        changed = image if self.apply_filter is None else self.apply_filter(image)
        if self.resolution is None or max(changed.shape) == self.resolution:
            return changed
        return resized(changed, self.resolution)


RAW = InputTransform()


def resized(image: Image, longer: int) -> Image:
    """Return a slice resized to a longer side of this many pixels.

    Segment Anything then resizes it to its own side; the resolution limits the detail, as in C. Hu
    et al., When SAM meets medical images, arXiv 2304.08506, 2023.
    """
    import cv2

    height, width = image.shape
    scale = longer / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, shape, interpolation=how), dtype=np.uint8)
