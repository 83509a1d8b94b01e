"""Copy-paste: pasted structures cover what was there, and masks stay exclusive."""

import numpy as np
from numpy.typing import NDArray

from fewshot.detector.copy_paste import Truth, paste

SIZE = 32


def half(top: bool) -> NDArray[np.uint8]:
    mask = np.zeros((1, SIZE, SIZE), dtype=np.uint8)
    mask[:, : SIZE // 2] = top
    mask[:, SIZE // 2 :] = not top
    return mask


def truth(masks: NDArray[np.uint8], uncertain: NDArray[np.uint8] | None = None) -> Truth:
    none = np.zeros((0, SIZE, SIZE), dtype=np.uint8)
    weights = np.full(len(masks), 0.5, dtype=np.float32)
    return Truth(masks, weights, none if uncertain is None else uncertain)


def exclusive_labels(rng: np.random.Generator) -> NDArray[np.uint8]:
    label_map = rng.integers(0, 4, (4, 4)).repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([label_map == label for label in (1, 2, 3)]).astype(np.uint8)


def test_masks_stay_exclusive_and_pixels_come_with_them() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        dark, bright = np.zeros((SIZE, SIZE), np.float32), np.full((SIZE, SIZE), 200, np.float32)
        here, there = truth(exclusive_labels(rng)), truth(exclusive_labels(rng))
        image, result = paste((dark, here), (bright, there), rng)
        assert (result.masks.sum(axis=0) <= 1).all()
        assert len(result.masks) == len(result.weights)
        pasted = image == 200
        for mask in result.masks:
            inside = mask.astype(bool)
            assert pasted[inside].all() or not pasted[inside].any()


def test_what_is_mostly_covered_is_dropped_with_its_weight() -> None:
    # The first number of seed 3 chooses the donor's only mask.
    blank = np.zeros((SIZE, SIZE), np.float32)
    donor = truth(half(top=True))
    onto = truth(np.concatenate([half(top=True), half(top=False)]), uncertain=half(top=True))
    _, result = paste((blank, onto), (blank, donor), np.random.default_rng(3))
    assert len(result.masks) == len(result.weights) == 2
    np.testing.assert_array_equal(result.masks, [half(top=False)[0], half(top=True)[0]])
    assert len(result.uncertain) == 0


def test_slices_of_other_sizes_are_left_alone() -> None:
    blank = np.zeros((SIZE, SIZE), np.float32)
    onto = (blank, truth(half(top=True)))
    small = (
        np.zeros((8, 8), np.float32),
        Truth(np.ones((1, 8, 8), np.uint8), np.ones(1, np.float32), np.zeros((0, 8, 8), np.uint8)),
    )
    assert paste(onto, small, np.random.default_rng(0)) is onto
