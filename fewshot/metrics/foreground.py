"""Foreground against background, pixel by pixel: IoU and Dice of one batch and of many."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ForegroundCounts:
    """Pixels that truth and prediction share, and the pixels of each; counts of batches add up."""

    common: int = 0
    truth: int = 0
    prediction: int = 0

    @classmethod
    def of(cls, truth: NDArray[Any], prediction: NDArray[Any]) -> Self:
        """Count two arrays of the same shape; what is not 0 is foreground."""
        inside, found = truth != 0, prediction != 0
        both, true, predicted = (np.count_nonzero(one) for one in (inside & found, inside, found))
        return cls(int(both), int(true), int(predicted))

    def __add__(self, other: "ForegroundCounts") -> "ForegroundCounts":
        return ForegroundCounts(
            self.common + other.common,
            self.truth + other.truth,
            self.prediction + other.prediction,
        )

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; 1 where neither has foreground."""
        union = self.truth + self.prediction - self.common
        return self.common / union if union else 1.0

    @property
    def dice(self) -> float:
        """The Dice coefficient, 0 to 1; 1 where neither has foreground."""
        pixels = self.truth + self.prediction
        return 2 * self.common / pixels if pixels else 1.0
