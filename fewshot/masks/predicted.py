"""The masks of one slice: labels, predictions, and what merging starts from."""

import operator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.painting import paint
from fewshot.masks.rle import CheckedRles, Rle

MAX_STRUCTURE = 32767
"""The largest id of a structure that every NIfTI tool reads."""


@dataclass(frozen=True, eq=False)
class SliceMasks:
    """The instance masks of one slice, one row a mask.

    `scores`: (masks,) float32 in 0..1. `boxes`: (masks, 4) float32 as x0, y0, x1, y1 in pixels.
    `rles`: compressed RLEs of size [height, width]. `sources`: `label` for a human label, otherwise
    the name of a model. `structures`: the structure of the volume that each mask is a section of,
    numbered from 1 for all slices; empty if unknown.

    Raises `InputError` naming the slice when the columns disagree, a number is not finite, or an
    RLE is not safe to decode.
    """

    image_id: int
    height: int
    width: int
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    rles: tuple[Rle, ...]
    sources: tuple[str, ...]
    structures: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        where = f"image {self.image_id}"
        columns: dict[str, Any] = {
            "scores": np.asarray(self.scores, dtype=np.float32),
            "boxes": np.asarray(self.boxes, dtype=np.float32),
            "sources": tuple(self.sources),
            "structures": tuple(map(int, self.structures)),
        }
        sizes = {key: operator.index(getattr(self, key)) for key in ("image_id", "height", "width")}
        # Frozen for everyone else; only here are the arguments converted.
        vars(self).update(sizes | columns)
        rle_codec.check_size(self.height, self.width, where)
        self._check_columns(where)
        if not isinstance(self.rles, CheckedRles) or self.rles.size != (self.height, self.width):
            vars(self)["rles"] = rle_codec.check_rles(
                self.rles, self.height, self.width, lambda index: f"{where}, mask {index}"
            )

    def _check_columns(self, where: str) -> None:
        count = len(self.rles)
        if self.scores.shape != (count,) or len(self.sources) != count:
            raise InputError(
                f"{where}: {count} masks need as many scores and sources, not "
                f"{self.scores.shape} and {len(self.sources)}"
            )
        if self.structures and (
            len(self.structures) != count
            or not 1 <= min(self.structures) <= max(self.structures) <= MAX_STRUCTURE
        ):
            raise InputError(
                f"{where}: {count} masks need as many structures, from 1 to {MAX_STRUCTURE}"
            )
        if self.boxes.shape != (count, 4):
            raise InputError(f"{where}: boxes have shape {self.boxes.shape}, not ({count}, 4)")
        if not np.all((self.scores >= 0) & (self.scores <= 1)):
            raise InputError(f"{where}: a score is not between 0 and 1")
        if not np.isfinite(self.boxes).all() or (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise InputError(f"{where}: a box is not x0, y0, x1, y1 with x0 <= x1 and y0 <= y1")

    def _with(self, **columns: Any) -> "SliceMasks":
        """Return masks with other columns, unchecked."""
        made = copy(self)
        vars(made).update(columns)
        return made

    def __len__(self) -> int:
        return len(self.rles)

    @classmethod
    def empty(cls, image_id: int, height: int, width: int) -> "SliceMasks":
        """Return the masks of a slice that has none."""
        return cls(
            image_id,
            height,
            width,
            np.zeros(0, dtype=np.float32),
            np.zeros((0, 4), dtype=np.float32),
            (),
            (),
        )

    @classmethod
    def from_label_map(
        cls,
        image_id: int,
        label_map: NDArray[np.integer[Any]],
        source: str = "label",
        *,
        structures: bool = False,
    ) -> "SliceMasks":
        """Return one mask of score 1 for each non-zero id of a (height, width) label map.

        Masks are in ascending order of id; separate parts of one id are one mask. With
        `structures`, ids mean the same on all slices and become the masks' structures.

        >>> masks = SliceMasks.from_label_map(0, np.array([[1, 1, 0], [0, 2, 2]]))
        >>> len(masks), masks.areas().tolist(), masks.boxes.tolist()
        (2, [2, 2], [[0.0, 0.0, 2.0, 1.0], [1.0, 1.0, 3.0, 2.0]])
        """
        columns_first = np.asfortranarray(label_map)
        ids = np.unique(columns_first)
        ids = ids[ids != 0]
        rles = tuple(rle_codec.encode(columns_first == label) for label in ids)
        height, width = label_map.shape
        return cls(
            image_id,
            height,
            width,
            np.ones(len(rles), dtype=np.float32),
            rle_codec.boxes(rles),
            rles,
            (source,) * len(rles),
            tuple(ids.tolist()) if structures else (),
        )

    @classmethod
    def from_stack(
        cls,
        image_id: int,
        masks: NDArray[np.bool_],
        scores: NDArray[np.float32],
        boxes: NDArray[np.float32],
        source: str,
    ) -> "SliceMasks":
        """Return a model's masks, given as bool arrays of shape (masks, height, width).

        The RLEs are encoded here, so they need not be checked again.
        """
        count, height, width = masks.shape
        return cls.empty(image_id, height, width)._with(
            scores=np.asarray(scores, dtype=np.float32),
            boxes=np.asarray(boxes, dtype=np.float32),
            rles=tuple(rle_codec.encode_stack(masks)),
            sources=(source,) * count,
        )

    def select(self, index: Any) -> "SliceMasks":
        """Return the masks at `index`, in its order: integers, or one bool a mask."""
        rows = np.asarray(index)
        if rows.size == 0:
            rows = np.zeros(0, dtype=np.intp)
        if rows.dtype == np.bool_ and rows.shape != (len(self),):
            raise InputError(f"image {self.image_id}: {rows.shape} choices for {len(self)} masks")
        rows = np.arange(len(self))[rows]
        return self._with(
            scores=self.scores[rows],
            boxes=self.boxes[rows],
            rles=tuple(self.rles[row] for row in rows),
            sources=tuple(self.sources[row] for row in rows),
            structures=tuple(self.structures[row] for row in rows) if self.structures else (),
        )

    def above(self, threshold: float) -> "SliceMasks":
        """Return the masks whose score is at least `threshold`, compared in float32."""
        return self.select(self.scores >= np.float32(threshold))

    def joined(self, other: "SliceMasks") -> "SliceMasks":
        """Return these masks followed by others of the same slice, without structures."""
        return SliceMasks(
            self.image_id,
            self.height,
            self.width,
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.boxes, other.boxes]),
            (*self.rles, *other.rles),
            (*self.sources, *other.sources),
        )

    def flipped(self) -> "SliceMasks":
        """Return the masks of the slice's mirror image, left for right."""
        boxes = self.boxes.copy()
        boxes[:, [0, 2]] = self.width - self.boxes[:, [2, 0]]
        rles = tuple(rle_codec.encode_stack(self.decode()[:, :, ::-1]))
        return self._with(boxes=boxes, rles=rles)

    def to_label_map(self, least_area: int = 1) -> NDArray[np.uint8]:
        """Return the (height, width) uint8 label map of all masks, whatever their scores.

        Masks take free pixels in order of score, highest first (ties: larger area first, then the
        given order). A mask with fewer than `least_area` visible pixels is dropped and leaves them
        free. Ids run from 1 in that order; after 255 regions the rest is dropped.
        """
        painted, _ = paint(self.rles, self.scores, (self.height, self.width), least_area)
        return painted.astype(np.uint8, order="C")

    def decode(self) -> NDArray[np.bool_]:
        """Return the masks as bool arrays, shape (masks, height, width)."""
        return rle_codec.decode_stack(self.rles, self.height, self.width)

    def areas(self) -> NDArray[np.int64]:
        """Return the number of pixels of each mask, shape (masks,)."""
        return rle_codec.area(self.rles)
