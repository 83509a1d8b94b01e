"""Slices of one sequence with their positions in millimetres, and their label maps as one array."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.masks.coco import SliceRecord
from fewshot.slices.numbering import gap_note
from fewshot.slices.volume import Grid, Volume, describe_slices, grid_of

Labels = NDArray[np.uint16]
UNEVEN = 0.02
"""Steps that differ by a larger fraction differ by more than rounding."""


@dataclass(frozen=True, eq=False)
class LabelStack:
    """The label maps of a sequence of slices, lowest position first.

    Attributes:
        name: of the volume or sequence.
        labels: ids, uint16, (slices, height, width), 0 for background.
        positions: of the slices along their axis, mm, (slices,), ascending.
        pixel: size of a pixel, mm: (row, column).
        step: distance of neighbouring slices along their normal, mm; the most common one.
        affine: 4 x 4 from (steps above the first slice, row, column) to mm: right, anterior,
            superior.
        linked: whether an id is the same structure on all slices.
        volume: from which they were cut, if any; the first is its slice `first`, and a step is
            `every` of its slices.
        records: the slices as in the COCO file; empty for a label volume.
        reading: how the positions were found, in words, if not obvious.
    """

    name: str
    labels: Labels
    positions: NDArray[np.float64]
    pixel: tuple[float, float]
    step: float
    affine: NDArray[np.float64]
    linked: bool
    volume: Volume | None = None
    first: int = 0
    every: int = 1
    records: tuple[SliceRecord, ...] = ()
    reading: str = ""

    @property
    def grid(self) -> Grid:
        """Return the stack's geometry: step, pixel size and shear."""
        return grid_of(self.affine)

    @property
    def voxel_mm3(self) -> float:
        """Return the volume of a voxel that is one step high, mm3."""
        return self.grid.voxel_mm3

    def to_world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points in mm of the volume (right, anterior, superior).

        `points` is (points, 3), along the stack's axes, which may be oblique: mm above the first
        slice, from the first row and from the first column.
        """
        steps = points / np.array([self.step, *self.pixel])
        found: NDArray[np.float64] = steps @ self.affine[:3, :3].T + self.affine[:3, 3]
        return found

    def described(self) -> str:
        """Return how the stack was read: slices, spacing and extent, in words."""
        found = describe_slices(len(self.positions), self.grid, float(self.thickness().sum()))
        return f"volume {self.name!r}: {found}" + (f" ({self.reading})" if self.reading else "")

    @property
    def even(self) -> bool:
        """Return whether all slices lie one step apart."""
        return bool((np.abs(np.diff(self.positions) / self.step - 1) <= UNEVEN).all())

    def thickness(self) -> NDArray[np.float64]:
        """Return the thickness of each slice, mm: half of the distances to both neighbours.

        Half a step is added beyond the first and the last.
        """
        half = np.diff(self.positions) / 2
        return np.append(half, self.step / 2) + np.insert(half, 0, self.step / 2)

    def warnings(self) -> list[str]:
        """Return a line about missing slices or uneven steps, if any."""
        steps = np.diff(self.positions) / self.step
        if self.even:
            return []
        where = f"volume {self.name!r}"
        if np.abs(steps - np.round(steps)).max() <= UNEVEN * 2 and steps.min() > 0.5:
            numbers = np.concatenate([[0], np.cumsum(np.round(steps).astype(int))]).tolist()
            note = gap_note([self.first + one * self.every for one in numbers], where)
            return [f"{note}; their neighbours stand for them"] if note else []
        low, high = self.step * steps.min(), self.step * steps.max()
        return [
            f"{where}: slices lie {low:.4g} to {high:.4g} mm apart; each stands for half of the "
            "way to its neighbours"
        ]

    def with_labels(self, labels: Labels, *, linked: bool) -> "LabelStack":
        """Return the same slices with other label maps."""
        return replace(self, labels=labels, linked=linked)


Box = tuple[slice, slice, slice]


def grown(box: Box, rooms: Sequence[int], shape: tuple[int, ...]) -> Box:
    """Return a box with some room on all sides, within a volume."""
    a, b, c = (
        slice(max(0, side.start - room), min(most, side.stop + room))
        for side, room, most in zip(box, rooms, shape, strict=True)
    )
    return a, b, c


def crop(labels: Labels) -> list[tuple[int, Box]]:
    """Return each id that occurs, and its bounding box."""
    boxes = ndimage.find_objects(labels)
    return [(one, box) for one, box in enumerate(boxes, start=1) if box is not None]
