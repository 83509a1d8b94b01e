"""Stacks of COCO files whose slices say where they lie, and readers of the same slices."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.sequence import sequence_volume
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.readers import on_slices


def write(target: Path, positions: list[float] | None, indices: list[int] | None = None) -> Path:
    """Write slices of 6 x 8 pixels; slice n shows a square of the structure n + 1."""
    count = len(positions or indices or [])
    records, masks = [], {}
    for one in range(count):
        place: dict[str, Any] = (
            {"volume": "v"} if indices else {"group": "p", "spacing": (0.5, 0.25)}
        )
        if indices is not None:
            place["index"] = indices[one]
        if positions is not None:
            place["position"] = positions[one]
        records.append(SliceRecord(one, f"{one}.png", 6, 8, **place))
        labels = np.zeros((6, 8), np.uint8)
        labels[1:4, 2:5] = one + 1
        masks[one] = SliceMasks.from_label_map(one, labels, structures=True)
    volumes = {} if indices is None else {"v": sequence_volume((6, 8), 20, (0.25, 0.5, 2.0), "v")}
    write_coco(target, SliceSet(target.parent, tuple(records), masks, volumes), "a stack")
    return target


def test_slices_are_sorted_by_position_and_uneven_steps_are_said(tmp_path: Path) -> None:
    (stack,) = read_stacks(write(tmp_path / "u.json", [10.0, 4.0, 6.0, 8.0, 10.7]))
    assert stack.positions.tolist() == pytest.approx([0, 2, 4, 6, 6.7])
    assert stack.labels.max(axis=(1, 2)).tolist() == [2, 3, 4, 1, 5]
    assert stack.step == pytest.approx(2.0)
    assert (stack.pixel, stack.linked) == ((0.5, 0.25), True)
    assert stack.affine[2, 3] == pytest.approx(4.0)
    (note,) = stack.warnings()
    assert "slices lie 0.7 to 2 mm apart" in note
    assert stack.thickness().tolist() == pytest.approx([2, 2, 2, 1.35, 1.35])


def test_missing_slices_of_a_volume_are_named(tmp_path: Path) -> None:
    (stack,) = read_stacks(write(tmp_path / "v.json", None, [3, 4, 7, 8]))
    assert stack.first == 3
    (note,) = stack.warnings()
    assert "2 slices are missing between the first and the last: 5, 6" in note
    (even,) = read_stacks(write(tmp_path / "e.json", None, [3, 4, 5]))
    assert even.warnings() == []


def test_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t.json: volume 'p': two slices lie at the same"):
        read_stacks(write(tmp_path / "t.json", [1.0, 2.0, 2.0]))


def test_another_reader_is_put_on_the_same_slices(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    (model,) = read_stacks(write(tmp_path / "a.json", None, [3, 4, 5, 6]))
    (other,) = read_stacks(write(path, None, [5, 6, 7]))
    placed = on_slices(other, model, path)
    assert placed.labels.max(axis=(1, 2)).tolist() == [0, 0, 1, 2]
    (whole,) = read_stacks(write(tmp_path / "w.json", None, list(range(1, 12))))
    (fifth,) = read_stacks(write(path, None, [1, 6, 11]))
    assert fifth.step == 10.0
    assert fifth.thickness().tolist() == [10.0, 10.0, 10.0]
    assert on_slices(fifth, whole, path).labels.any(axis=(1, 2)).sum() == 3
    with pytest.raises(InputError, match="has 3 slices and lacks 8 between them"):
        on_slices(fifth, whole, path, measured=True)
    (away,) = read_stacks(write(path, None, [14, 15]))
    with pytest.raises(InputError, match="has none of the slices"):
        on_slices(away, model, path)
    with pytest.raises(InputError, match="another spacing"):
        on_slices(replace(other, step=1.0), model, path)
