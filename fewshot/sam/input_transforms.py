"""What is done to a slice before the image encoder sees it: a filter, and a lower resolution."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class InputTransform:
    """A named change of grey slices, (height, width) to (height, width) or another size.

    The name tells embeddings of differently treated slices apart. A resolution of None leaves the
    slice as large as it is.
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
    """Return a slice whose longer side has so many pixels: areas when smaller, linear when larger.

    Segment Anything then resizes again, to its own side: the resolution is what detail the network
    is given, as in C. Hu et al., When SAM meets medical images, arXiv 2304.08506, 2023.
    """
    import cv2

    height, width = image.shape
    scale = longer / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, shape, interpolation=how), dtype=np.uint8)
