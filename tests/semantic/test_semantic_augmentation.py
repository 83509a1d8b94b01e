"""Augmentation of training slices: each change by its setting, masks moved along, repeatable."""

from typing import Any

import numpy as np
import pytest

from fewshot.config.semantic import SemanticAugmentation
from fewshot.semantic.augmentation import Augmentation

OFF = {"affine": 0, "horizontal_flip": 0, "brightness_contrast": 0, "gamma": 0}


def changed(**settings: Any) -> tuple[Any, Any, Any]:
    """The image, and label map and weights, after augmentation by one generator."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 200, (64, 48), np.uint8)
    augment = Augmentation(SemanticAugmentation.model_validate({**OFF, **settings}))
    result, (labels, weights) = augment(
        image, [image // 8, np.ones((64, 48), np.float32)], np.random.default_rng(5)
    )
    return result, labels, weights


def test_with_all_off_nothing_changes() -> None:
    image, labels, weights = changed()
    assert np.array_equal(labels, image // 8)
    assert (weights == 1).all()


@pytest.mark.parametrize("how", ["horizontal_flip", "vertical_flip", "quarter_turn"])
def test_masks_move_with_the_image(how: str) -> None:
    original, *_ = changed()
    images = []
    augment = Augmentation(SemanticAugmentation.model_validate({**OFF, how: 1}))
    for seed in range(8):
        image, (labels,) = augment(original, [original // 8], np.random.default_rng(seed))
        assert np.array_equal(labels, image // 8)
        images.append(image)
    assert any(not np.array_equal(image, original) for image in images)


@pytest.mark.parametrize("how", ["clahe", "brightness_contrast", "gamma"])
def test_grey_levels_change_and_masks_stay(how: str) -> None:
    original, labels, _ = changed()
    image, moved, _ = changed(**{how: 1})
    assert not np.array_equal(image, original)
    assert np.array_equal(moved, labels)


def test_a_crop_larger_than_the_slice_is_padded_and_the_padding_does_not_count() -> None:
    image, labels, weights = changed(crop=96)
    assert image.shape == labels.shape == weights.shape == (96, 96)
    assert weights.sum() == 64 * 48


def test_a_smaller_crop_is_a_part_of_the_slice() -> None:
    image, labels, weights = changed(crop=32)
    assert image.shape == (32, 32)
    assert np.array_equal(labels, image // 8)
    assert (weights == 1).all()


def test_what_a_turned_slice_does_not_cover_does_not_count() -> None:
    *_, weights = changed(affine=1, rotation=40, scale=0, shift=0.2)
    assert set(np.unique(weights)) == {0, 1}


def test_the_same_generator_gives_the_same_slice_and_another_one_another() -> None:
    augment = Augmentation(SemanticAugmentation())
    image = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    first, second, third = (
        augment(image, [image], np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_colours_are_kept() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    augment = Augmentation(SemanticAugmentation(clahe=1, vertical_flip=1))
    result, _ = augment(image, [image[..., 0]], np.random.default_rng(0))
    assert result.shape == (64, 64, 3)
