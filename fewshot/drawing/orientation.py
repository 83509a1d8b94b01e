"""Which way a slice of a volume lies in the patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.coco import Volume
from fewshot.slices.volume import slice_of

# Towards negative and towards positive x, y and z, in mm of the patient (RAS, as NIfTI has it).
_NEGATIVE, _POSITIVE = "LPI", "RAS"


@dataclass(frozen=True)
class Edges:
    """Where the four edges of a slice point to in the patient: one of R, L, A, P, S, I each."""

    top: str
    bottom: str
    left: str
    right: str


def edges_of(volume: Volume) -> Edges:
    """Return where the edges of a volume's slices point to; for oblique ones the nearest letters.

    Found by cutting a slice from a volume that holds positions, by the same function that cut the
    images: the letters tell how the pixels lie, whatever rule that function follows.
    """
    affine = np.array(volume.affine)
    grid = np.indices((2, 2, 2)).astype(np.float64)
    across, along, height = (
        slice_of(np.tensordot(row[:3], grid, axes=1), volume.axis, 0, affine) for row in affine[:3]
    )
    positions = np.stack([across, along, height], axis=-1)
    bottom, top = _letters(positions[1, 0] - positions[0, 0])
    right, left = _letters(positions[0, 1] - positions[0, 0])
    return Edges(top, bottom, left, right)


def _letters(step: NDArray[np.float64]) -> tuple[str, str]:
    """Return the letters of the direction of a step in mm, and of the opposite one."""
    axis = int(np.abs(step).argmax())
    forwards, backwards = _POSITIVE[axis], _NEGATIVE[axis]
    return (forwards, backwards) if step[axis] > 0 else (backwards, forwards)
