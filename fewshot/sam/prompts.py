"""Prompts of Segment Anything: boxes, points and masks in a slice's own pixels."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.errors import InputError

Boxes = NDArray[np.float32]  # (n, 4) as x0, y0, x1, y1
PromptKind = Literal["box", "box+points", "box+points+mask"]
PROMPT_KINDS: tuple[PromptKind, ...] = get_args(PromptKind)

_POINTS = 3  # interior points of a mask that go with its box


@dataclass(frozen=True, eq=False)
class Prompts:
    """The prompts of one slice, one row per object.

    `boxes`: float32 (n, 4) as x0, y0, x1, y1. `points`: float32 (n, k, 2) as x, y, and `labels`:
    int32 (n, k), 1 inside, 0 outside. `masks`: bool (n, height, width). None where not given.
    """

    boxes: Boxes | None = None
    points: NDArray[np.float32] | None = None
    labels: NDArray[np.int32] | None = None
    masks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        for part in (self.boxes, self.points, self.masks):
            if part is not None:
                return len(part)
        return 0

    @property
    def only_points(self) -> bool:
        """Whether there is neither box nor mask, which makes a prompt ambiguous."""
        return self.boxes is None and self.masks is None

    def part(self, start: int, stop: int) -> "Prompts":
        """Return the rows from `start` to `stop`."""
        return Prompts(
            None if self.boxes is None else self.boxes[start:stop],
            None if self.points is None else self.points[start:stop],
            None if self.labels is None else self.labels[start:stop],
            None if self.masks is None else self.masks[start:stop],
        )


def whole_slice(height: int, width: int) -> Boxes:
    """Return the one box that covers a slice, (1, 4)."""
    return np.array([[0, 0, width, height]], dtype=np.float32)


def tight_boxes(masks: NDArray[np.bool_]) -> Boxes:
    """Return the boxes around (n, height, width) masks, (n, 4); of an empty mask, zeros.

    >>> tight_boxes(np.array([[[False, True, True], [False, False, True]]])).tolist()
    [[1.0, 0.0, 3.0, 2.0]]
    """
    found = np.zeros((len(masks), 4), dtype=np.float32)
    for row, mask in enumerate(masks):
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(ys):
            found[row] = xs[0], ys[0], xs[-1] + 1, ys[-1] + 1
    return found


def points_prompt(masks: NDArray[np.bool_], count: int, boxes: Boxes | None = None) -> Prompts:
    """Return prompts of `count` interior points per mask, with boxes if given."""
    if not count:
        return Prompts(boxes=boxes)
    points = np.stack([interior_points(mask, count) for mask in masks])
    return Prompts(boxes=boxes, points=points, labels=np.ones(points.shape[:2], dtype=np.int32))


def from_masks(masks: NDArray[np.bool_], boxes: Boxes, kind: PromptKind) -> Prompts:
    """Return masks of a slice, (n, height, width), and their boxes as prompts of a kind."""
    if kind == "box":
        return Prompts(boxes=boxes)
    asked = points_prompt(masks, _POINTS, boxes)
    if kind == "box+points":
        return asked
    return Prompts(asked.boxes, asked.points, asked.labels, masks)


def interior_points(mask: NDArray[np.bool_], count: int) -> NDArray[np.float32]:
    """Return points inside a mask, (count, 2) as x, y in whole pixels; deterministic.

    The first is the deepest; each further one maximises the smaller of depth and distance from the
    earlier points. If the mask has fewer pixels than points, points repeat. For an empty mask it is
    the middle pixel.
    """
    inside = np.pad(np.asarray(mask, dtype=bool), 1)
    ys, xs = np.nonzero(mask)
    if not len(ys):
        middle = np.array([mask.shape[1] // 2, mask.shape[0] // 2], dtype=np.float32)
        return np.tile(middle, (count, 1))
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1][ys, xs]
    chosen = [int(depth.argmax())]
    distance = np.full(len(ys), np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        distance = np.minimum(distance, np.hypot(ys - ys[last], xs - xs[last]))
        # Deep points first, but never one that was taken while others are left.
        worth = np.where(distance > 0, np.minimum(distance, 2 * depth) + 1e-3 * distance, -1)
        chosen.append(int(worth.argmax()))
    return np.stack([xs[chosen], ys[chosen]], axis=1).astype(np.float32)


def jittered(
    boxes: Boxes, height: int, width: int, share: float, rng: np.random.Generator
) -> Boxes:
    """Return boxes whose sides are each moved by up to `share` of the box, inside the slice."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))
    moved = boxes + rng.uniform(-share, share, boxes.shape) * np.maximum(sides, 4)
    return clipped(moved.astype(np.float32), height, width)


def clipped(boxes: Boxes, height: int, width: int) -> Boxes:
    """Return boxes inside the slice and at least one pixel wide and high."""
    x0 = np.clip(boxes[:, 0], 0, width - 1)
    y0 = np.clip(boxes[:, 1], 0, height - 1)
    x1 = np.clip(boxes[:, 2], x0 + 1, width)
    y1 = np.clip(boxes[:, 3], y0 + 1, height)
    return np.stack([x0, y0, x1, y1], axis=1).astype(np.float32)


def check_boxes(boxes: NDArray[Any], height: int, width: int, where: str) -> Boxes:
    """Return a user's boxes, clipped to the slice; `InputError` for an invalid one.

    A box must be of finite numbers, not empty, and overlap the slice by at least one pixel.
    """
    for row, box in enumerate(np.asarray(boxes, dtype=np.float64).reshape(-1, 4)):
        named = f"{where}: box {row + 1} ({', '.join(f'{side:g}' for side in box)})"
        if not np.isfinite(box).all():
            raise InputError(f"{named} is not of finite numbers")
        if box[2] <= box[0] or box[3] <= box[1]:
            raise InputError(f"{named} is empty; give x0 < x1 and y0 < y1")
        if box[2] < 1 or box[3] < 1 or box[0] > width - 1 or box[1] > height - 1:
            raise InputError(f"{named} is outside the slice of {height} x {width} pixels")
    return clipped(np.asarray(boxes, dtype=np.float32).reshape(-1, 4), height, width)
