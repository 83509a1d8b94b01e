"""The mode of several label maps: ids are matched first, and most votes win."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.classical.aggregation import mode_of_label_maps
from fewshot.errors import InputError
from fewshot.metrics.rand import adjusted_rand
from fewshot.slices.phantom import phantom_slice

LabelMap = NDArray[np.int32]


def maps(*rows: list[int]) -> list[LabelMap]:
    return [np.array([row], dtype=np.int32) for row in rows]


@pytest.mark.parametrize(
    ("rows", "mode"),
    [
        # One map is its own mode.
        ([[3, 3, 0, 1]], [3, 3, 0, 1]),
        # The same regions under other ids are the same regions.
        ([[1, 1, 2, 2], [2, 2, 1, 1], [7, 7, 4, 4]], [1, 1, 2, 2]),
        # Two against one; the last map's ids are shuffled.
        ([[1, 1, 1, 2, 2], [1, 1, 2, 2, 2], [5, 5, 3, 3, 3]], [1, 1, 2, 2, 2]),
        # A tie goes to the map that comes first.
        ([[1, 1, 2, 2], [1, 2, 2, 2]], [1, 1, 2, 2]),
        # A region that the first map does not know comes through when two others do.
        ([[1, 1, 1, 1, 1, 1], [4, 4, 4, 4, 9, 9], [2, 2, 2, 2, 3, 3]], [1, 1, 1, 1, 2, 2]),
        # But not when one alone does.
        ([[1, 1, 1, 1, 1, 1], [4, 4, 4, 4, 9, 9], [2, 2, 2, 2, 2, 2]], [1, 1, 1, 1, 1, 1]),
        # No region is never matched with one.
        ([[0, 0, 1, 1], [1, 1, 2, 2], [1, 1, 2, 2]], [2, 2, 1, 1]),
        ([[0, 0, 0], [0, 0, 0]], [0, 0, 0]),
    ],
)
def test_small_maps(rows: list[list[int]], mode: list[int]) -> None:
    label_maps = maps(*rows)
    before = [one.copy() for one in label_maps]
    np.testing.assert_array_equal(mode_of_label_maps(label_maps), [mode])
    for one, other in zip(label_maps, before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_region_and_each_id_is_matched_once() -> None:
    # Both halves of the second map overlap the one region of the first; only the larger is it.
    whole, split = maps([1] * 10, [1] * 7 + [2] * 3)
    np.testing.assert_array_equal(mode_of_label_maps([whole, split, split]), [[1] * 7 + [2] * 3])


def test_noise_in_each_map_is_voted_away_at_full_size() -> None:
    truth = phantom_slice(np.random.default_rng(0), 512)[1].astype(np.int32) + 1
    rng = np.random.default_rng(1)
    noisy = []
    for _ in range(5):
        ids = rng.permutation(int(truth.max()) + 1).astype(np.int32) + 1
        wrong = rng.integers(1, int(truth.max()) + 1, truth.shape, dtype=np.int32)
        noisy.append(ids[np.where(rng.random(truth.shape) < 0.25, wrong, truth)])
    single = [adjusted_rand(truth, one, foreground=False) for one in noisy]
    together = adjusted_rand(truth, mode_of_label_maps(noisy), foreground=False)
    assert max(single) < 0.8
    assert together > 0.9


def test_thousands_of_regions_are_affordable() -> None:
    tiles = np.arange(64 * 64, dtype=np.int32).reshape(64, 64).repeat(8, 0).repeat(8, 1) + 1
    moved = np.roll(tiles, 1, axis=1)
    # An assignment of 4096 by 4096 would take minutes.
    mode = mode_of_label_maps([tiles, moved, tiles.max() + 1 - tiles])
    np.testing.assert_array_equal(mode, tiles)


@pytest.mark.parametrize(
    "label_maps", [[], [np.zeros((2, 2), np.int32), np.zeros((2, 3), np.int32)]]
)
def test_no_maps_or_maps_of_other_shapes_are_refused(label_maps: list[LabelMap]) -> None:
    with pytest.raises(InputError, match="one or more label maps of one shape"):
        mode_of_label_maps(label_maps)
