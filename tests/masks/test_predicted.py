"""The masks of one slice: what is refused, and what selections keep."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import Rle, encode

HEIGHT, WIDTH = 6, 8


def square(y: int, x: int, side: int = 2) -> Rle:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[y : y + side, x : x + side] = True
    return encode(mask)


def columns() -> dict[str, Any]:
    return {
        "image_id": 3,
        "height": HEIGHT,
        "width": WIDTH,
        "scores": [0.9, 0.5, 0.2],
        "boxes": [[0, 0, 2, 2], [3, 3, 5, 5], [6, 0, 8, 2]],
        "rles": (square(0, 0), square(3, 3), square(0, 6)),
        "sources": ("rough", "steady", "fine"),
    }


def test_columns_become_float32_arrays() -> None:
    masks = SliceMasks(**columns())

    assert len(masks) == 3
    assert masks.scores.dtype == masks.boxes.dtype == np.float32
    np.testing.assert_array_equal(masks.areas(), [4, 4, 4])
    assert masks.decode().shape == (3, HEIGHT, WIDTH)
    assert masks.decode()[1, 3:5, 3:5].all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.9, 0.5]}, "3 masks need as many scores"),
        ({"sources": ("rough",)}, "3 masks need as many scores and sources"),
        ({"boxes": [[0, 0, 2, 2]]}, r"boxes have shape \(1, 4\)"),
        ({"boxes": np.zeros((3, 5))}, r"boxes have shape \(3, 5\)"),
        ({"scores": [0.9, float("nan"), 0.2]}, "score"),
        ({"scores": [0.9, 1.1, 0.2]}, "score"),
        ({"scores": [0.9, -0.1, 0.2]}, "score"),
        ({"boxes": [[0, 0, 2, 2], [5, 3, 3, 5], [6, 0, 8, 2]]}, "box"),
        ({"boxes": np.full((3, 4), np.inf)}, "box"),
        ({"width": WIDTH + 1}, "mask 0: RLE size"),
        ({"height": 0}, "height"),
        (
            {"rles": (square(0, 0), {"size": [HEIGHT, WIDTH], "counts": "1"}, square(0, 0))},
            "mask 1: RLE counts cover 1",
        ),
    ],
)
def test_broken_columns_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        SliceMasks(**{**columns(), **change})

    assert str(caught.value).startswith("image 3")


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ([2, 0], ["fine", "rough"]),
        (np.array([True, False, True]), ["rough", "fine"]),
        ([False, False, False], []),
        ([], []),
        (np.array([1], dtype=np.int64), ["steady"]),
    ],
)
def test_select(index: Any, expected: list[str]) -> None:
    masks = SliceMasks(**columns())

    chosen = masks.select(index)

    assert list(chosen.sources) == expected
    rows = [masks.sources.index(source) for source in expected]
    np.testing.assert_array_equal(chosen.scores, masks.scores[rows])
    np.testing.assert_array_equal(chosen.boxes, masks.boxes[rows])
    assert list(chosen.rles) == [masks.rles[row] for row in rows]
    assert (chosen.image_id, chosen.height, chosen.width) == (3, HEIGHT, WIDTH)
    assert len(masks) == 3


def test_select_refuses_the_wrong_number_of_choices() -> None:
    with pytest.raises(InputError, match="image 3"):
        SliceMasks(**columns()).select([True, False])


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, 3), (0.2, 3), (0.5, 2), (0.51, 1), (0.9, 1), (1.0, 0)]
)
def test_above_keeps_scores_equal_to_the_threshold(threshold: float, expected: int) -> None:
    assert len(SliceMasks(**columns()).above(threshold)) == expected


def test_empty() -> None:
    masks = SliceMasks.empty(4, HEIGHT, WIDTH)

    assert len(masks) == 0
    assert masks.decode().shape == (0, HEIGHT, WIDTH)
    assert masks.areas().shape == (0,)
    assert len(masks.above(0.5)) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_from_label_map_makes_one_mask_an_id(dtype: type[np.integer[Any]]) -> None:
    rng = np.random.default_rng(0)
    label_map: NDArray[Any] = np.kron(rng.integers(0, 9, (16, 16)), np.ones((32, 32))).astype(dtype)
    label_map[label_map == 4] = 0  # ids need not be consecutive
    if dtype is not np.uint8:
        label_map[label_map == 7] = 300

    masks = SliceMasks.from_label_map(9, label_map)

    ids = [label for label in np.unique(label_map) if label]
    assert len(masks) == len(ids)
    for label, mask, box in zip(ids, masks.decode(), masks.boxes, strict=True):
        np.testing.assert_array_equal(mask, label_map == label)
        rows, cols = np.nonzero(label_map == label)
        assert box.tolist() == [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
    assert set(masks.sources) == {"label"}
    assert (masks.scores == 1).all()


def test_from_an_empty_label_map() -> None:
    assert len(SliceMasks.from_label_map(1, np.zeros((512, 512), dtype=np.uint8))) == 0


def test_a_stack_of_masks_is_what_its_rles_say() -> None:
    rng = np.random.default_rng(0)
    stack = rng.random((3, 40, 50)) < 0.5
    scores = np.array([0.9, 0.5, 0.1], dtype=np.float32)
    boxes = np.array([[0, 0, 50, 40]] * 3, dtype=np.float32)
    masks = SliceMasks.from_stack(4, stack, scores, boxes, "steady")
    checked = SliceMasks(4, 40, 50, scores, boxes, masks.rles, ("steady",) * 3)
    np.testing.assert_array_equal(checked.decode(), stack)
    assert masks.sources == checked.sources
    assert len(SliceMasks.from_stack(4, stack[:0], scores[:0], boxes[:0], "steady")) == 0
