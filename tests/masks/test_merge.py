"""The rules by which overlapping masks become one label map, each on a picture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.masks.merge import MergeRule, fill_nearest, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode


def slice_of(scored: list[tuple[float, NDArray[np.bool_]]], height: int, width: int) -> SliceMasks:
    rles = tuple(encode(mask) for _, mask in scored)
    scores = np.array([score for score, _ in scored], dtype=np.float32)
    return SliceMasks(0, height, width, scores, boxes(rles), rles, ("final",) * len(rles))


def row_of(*scored: tuple[float, str]) -> SliceMasks:
    """Return masks of a slice one pixel high, drawn as '..##..'."""
    width = len(scored[0][1]) if scored else 8
    masks = [(score, np.array([[c == "#" for c in drawing]])) for score, drawing in scored]
    return slice_of(masks, 1, width)


@pytest.mark.parametrize(
    ("scored", "rule", "expected"),
    [
        # Apart: ids in order of score, not of position.
        ([(0.6, "##......"), (0.9, ".....##.")], MergeRule(), "22...11."),
        # An overlap goes to the better mask and makes no third region.
        ([(0.9, "####...."), (0.8, "..####..")], MergeRule(), "111122.."),
        ([(0.8, "####...."), (0.9, "..####..")], MergeRule(), "221111.."),
        # A mask cut in two by a better one stays one region.
        ([(0.8, "########"), (0.9, "...##...")], MergeRule(), "22211222"),
        # Wholly hidden: gone, and its id is not left out.
        ([(0.9, "######.."), (0.8, "..##...."), (0.7, "....####")], MergeRule(), "11111122"),
        # Three over one place.
        ([(0.7, "..####.."), (0.9, ".###...."), (0.8, "...##...")], MergeRule(), ".11123.."),
        # The threshold keeps equal scores, in float32 as scores are stored.
        ([(0.5, "##......"), (0.49, "..##....")], MergeRule(0.5), "11......"),
        ([(0.9, "##......"), (0.1, "..##....")], MergeRule(0.9), "11......"),
        ([(0.1, "##......")], MergeRule(0.1), "11......"),
        ([(0.4, "##......"), (0.3, "..##....")], MergeRule(0.0), "1122...."),
        # Ties of score: the larger first, then the given order.
        ([(0.9, "##......"), (0.9, ".####...")], MergeRule(), "21111..."),
        ([(0.9, "###....."), (0.9, "..###...")], MergeRule(), "11122..."),
        # Too small: dropped, pixels free for the next.
        ([(0.9, "#......."), (0.8, "####....")], MergeRule(min_area=2), "1111...."),
        ([(0.9, "##......"), (0.8, "####....")], MergeRule(min_area=2), "1122...."),
        # Size counts what is visible, and the remnant stays free too.
        ([(0.9, "###....."), (0.8, ".###...."), (0.7, "...##...")], MergeRule(0.5, 2), "11122..."),
        ([(0.9, "###.....")], MergeRule(min_area=4), "........"),
        # Nearest fills all background, ties included, and only background.
        ([(0.9, "#......."), (0.8, ".......#")], MergeRule(background="nearest"), "11112222"),
        ([(0.9, "..##....")], MergeRule(background="nearest"), "11111111"),
        ([(0.3, "..##....")], MergeRule(background="nearest"), "........"),
        ([], MergeRule(), "........"),
        ([], MergeRule(background="nearest"), "........"),
    ],
)  # fmt: skip
def test_merge(scored: list[tuple[float, str]], rule: MergeRule, expected: str) -> None:
    label_map = merge_masks(row_of(*scored), rule)

    assert label_map.dtype == np.uint8
    assert "".join("." if label == 0 else str(label) for label in label_map[0]) == expected


def test_no_new_regions_at_intersections() -> None:
    """Many overlapping discs at 512 x 512: every region is part of one mask, and none is split."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:512, :512]
    scores = rng.permutation(np.linspace(0.5, 1, 40))
    discs = [
        (float(score), (rows - y) ** 2 + (columns - x) ** 2 < radius**2)
        for score, y, x, radius in zip(
            scores, *rng.integers(0, 512, (2, 40)), rng.integers(20, 90, 40), strict=True
        )
    ]
    label_map = merge_masks(slice_of(discs, 512, 512), MergeRule())

    best_first = sorted(discs, key=lambda disc: -disc[0])
    taken = np.zeros((512, 512), dtype=np.bool_)
    visible = []
    for _, disc in best_first:
        if (disc & ~taken).any():
            visible.append(disc & ~taken)
        taken |= disc
    assert label_map.max() == len(visible) <= len(discs)
    for label, region in enumerate(visible, start=1):
        np.testing.assert_array_equal(label_map == label, region)
    np.testing.assert_array_equal(label_map == 0, ~taken)


def test_more_masks_than_ids_keeps_the_best_255() -> None:
    masks = []
    for index in range(300):
        mask = np.zeros((20, 20), dtype=np.bool_)
        mask.flat[index] = True
        masks.append((0.5 + index / 1000, mask))

    label_map = merge_masks(slice_of(masks, 20, 20), MergeRule())

    assert label_map.max() == 255
    assert (label_map.ravel()[:45] == 0).all()  # the 45 lowest scores
    np.testing.assert_array_equal(label_map.ravel()[45:300], np.arange(255, 0, -1))


def test_nearest_fill_at_full_size() -> None:
    rng = np.random.default_rng(1)
    label_map = np.zeros((512, 512), dtype=np.uint8)
    seeds = rng.integers(0, 512, (30, 2))
    for label, (y, x) in enumerate(seeds, start=1):
        label_map[y, x] = label

    filled = fill_nearest(label_map)

    rows, columns = np.mgrid[:512, :512]
    distances = np.stack([(rows - y) ** 2 + (columns - x) ** 2 for y, x in seeds])
    chosen = np.take_along_axis(distances, filled[np.newaxis].astype(np.intp) - 1, axis=0)[0]
    np.testing.assert_array_equal(chosen, distances.min(axis=0))
    np.testing.assert_array_equal(filled[label_map > 0], label_map[label_map > 0])


@pytest.mark.parametrize("value", [0, 3])
def test_nearest_fill_of_one_value_changes_nothing(value: int) -> None:
    label_map = np.full((16, 16), value, dtype=np.int32)

    filled = fill_nearest(label_map)

    np.testing.assert_array_equal(filled, label_map)
    assert filled.dtype == np.int32
    assert not np.shares_memory(filled, label_map)
