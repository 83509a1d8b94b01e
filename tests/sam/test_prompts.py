from typing import Any

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.sam.prompts import (
    Prompts,
    check_boxes,
    from_masks,
    interior_points,
    jittered,
    points_prompt,
    tight_boxes,
)


def test_the_first_point_lies_deepest_and_the_others_spread() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:31, 5:16] = True  # 21 rows, 11 columns
    mask[30:33, 5:50] = True  # and a thin arm
    points = interior_points(mask, 5)
    assert all(mask[int(y), int(x)] for x, y in points)
    assert 8 <= points[0, 0] <= 12
    assert len(np.unique(points, axis=0)) == 5
    assert np.array_equal(points, interior_points(mask, 5))
    assert np.array_equal(interior_points(mask, 3), points[:3])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([], {(15, 10)}),  # an empty mask has its middle
        ([(3, 4)], {(4, 3)}),
        ([(3, 4), (3, 5)], {(4, 3), (5, 3)}),
    ],
)
def test_few_pixels_still_give_points(
    pixels: list[tuple[int, int]], expected: set[tuple[int, int]]
) -> None:
    mask = np.zeros((20, 30), dtype=bool)
    for y, x in pixels:
        mask[y, x] = True
    points = interior_points(mask, 4)
    assert points.shape == (4, 2)
    assert {(int(x), int(y)) for x, y in points} == expected


def test_kinds_of_prompts() -> None:
    masks = np.zeros((2, 20, 30), dtype=bool)
    masks[0, 2:8, 3:9] = masks[1, 10:12, 20:29] = True
    boxes = tight_boxes(masks)
    assert boxes.tolist() == [[3, 2, 9, 8], [20, 10, 29, 12]]
    assert from_masks(masks, boxes, "box").points is None
    both = from_masks(masks, boxes, "box+points")
    assert both.points is not None
    assert both.points.shape == (2, 3, 2)
    assert both.masks is None
    assert from_masks(masks, boxes, "box+points+mask").masks is masks
    alone = points_prompt(masks, 2)
    assert alone.only_points
    assert len(alone) == 2
    assert not Prompts(boxes).only_points


def test_jittered_boxes_stay_in_the_slice_and_near() -> None:
    rng = np.random.default_rng(0)
    boxes = np.tile(np.array([[0, 0, 10, 20], [90, 30, 100, 50]], np.float32), (500, 1))
    moved = jittered(boxes, 50, 100, 0.1, rng)
    assert moved[:, :2].min() >= 0
    assert moved[:, 2].max() <= 100
    assert moved[:, 3].max() <= 50
    assert np.abs(moved - boxes)[:, [0, 2]].max() <= 1 + 1e-5
    assert np.abs(moved - boxes).max() > 1.5
    assert np.array_equal(jittered(boxes, 50, 100, 0.0, rng), boxes)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([1, 2, np.nan, 9], r"box 1 \(1, 2, nan, 9\) is not of finite numbers"),
        ([1, 2, np.inf, 9], "finite"),
        ([5, 5, 5, 9], "is empty"),
        ([5, 9, 8, 5], "is empty"),
        ([40, 5, 60, 9], "outside the slice of 20 x 30 pixels"),
        ([-9, 5, 0.5, 9], "outside"),
    ],
)
def test_boxes_that_cannot_be_meant_are_refused(box: list[Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_boxes(np.array([box]), 20, 30, "boxes.json: image 7")


def test_boxes_over_the_edge_are_cut() -> None:
    kept = check_boxes(np.array([[-5, 3, 99, 12]]), 20, 30, "boxes.json")
    assert kept.tolist() == [[0, 3, 30, 12]]
