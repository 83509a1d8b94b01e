"""Slices cut from a label volume, for exports that must put them back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.masks.coco import SliceRecord, SliceSet, Volume
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.volume import slice_of

Labels = NDArray[np.int16]
Cut = Callable[..., SliceSet]


@pytest.fixture(scope="session")
def cut() -> Cut:
    """`cut(labels, axis, affine, keep)` → the slices of a label volume, as if converted."""

    def slices(
        labels: Labels, axis: int, affine: NDArray[Any], keep: Sequence[int] | None = None
    ) -> SliceSet:
        sides: Any = labels.shape
        rows: Any = tuple(map(tuple, np.asarray(affine, dtype=float).tolist()))
        records, masks = [], {}
        for index in range(sides[axis]) if keep is None else keep:
            label_map = slice_of(labels, axis, index, affine)
            height, width = label_map.shape
            name = f"ct_{index:04d}.png"
            records.append(
                SliceRecord(index, name, height, width, group="p1", volume="ct", index=index)
            )
            masks[index] = SliceMasks.from_label_map(index, label_map)
        return SliceSet(
            Path("images"), tuple(records), masks, {"ct": Volume(sides, axis, rows, "ct.nii.gz")}
        )

    return slices
