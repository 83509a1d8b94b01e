"""Augmentation: what is turned off changes nothing, and masks follow their image."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.config.tree import AugmentationSettings
from fewshot.slices.augmentation import augment

SIZE = 128
OFF: dict[str, Any] = dict.fromkeys(AugmentationSettings.model_fields, 0) | {"flip": False}

Image = NDArray[np.float32]
Masks = NDArray[np.uint8]


def only(**changes: Any) -> AugmentationSettings:
    return AugmentationSettings(**{**OFF, **changes})


def disc(row: float, column: float, radius: float, height: int = SIZE, width: int = SIZE) -> Masks:
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    mask: Masks = inside.astype(np.uint8)
    return mask


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (81, 47)])
def test_everything_off_returns_the_input(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    masks = (np.stack([image > 100, image < 50])).astype(np.uint8)
    changed, changed_masks = augment(image, masks, only(), np.random.default_rng(0))
    np.testing.assert_array_equal(changed, image)
    np.testing.assert_array_equal(changed_masks, masks)


def test_the_input_is_left_as_it_is() -> None:
    image, masks = noise(64, 64), disc(30, 30, 9, 64, 64)[None]
    before, before_masks = image.copy(), masks.copy()
    augment(image, masks, AugmentationSettings(), np.random.default_rng(0))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(masks, before_masks)


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("size", [None, (64, 96), (200, 100), (128, 128)])
def test_types_shapes_and_bounds(count: int, size: tuple[int, int] | None) -> None:
    image = noise(100, 90) * 3 - 255  # also beyond the bounds
    masks = np.ones((count, 100, 90), dtype=np.uint8)
    changed, changed_masks = augment(
        image, masks, AugmentationSettings(), np.random.default_rng(0), size
    )
    assert changed.dtype == np.float32
    assert changed_masks.dtype == np.uint8
    assert changed.shape == (size or (100, 90))
    assert changed_masks.shape == (count, *changed.shape)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert set(np.unique(changed_masks)) <= {0, 1}


@pytest.mark.parametrize(
    "settings",
    [
        AugmentationSettings(),
        # Each alone, and strong.
        only(flip=True),
        only(rotation=180),
        only(scale=0.4),
        only(shift=0.2),
        only(flip=True, rotation=90, scale=0.3, shift=0.1),
    ],
)
@pytest.mark.parametrize("size", [None, (96, 96), (192, 160)])
def test_masks_follow_their_image(
    settings: AugmentationSettings, size: tuple[int, int] | None
) -> None:
    # Off the middle, so that a wrong turn or mirror shows.
    mask = disc(50, 75, 18)
    quiet = settings.model_copy(update={"contrast": 0, "brightness": 0, "noise": 0})
    rng = np.random.default_rng(0)
    for _ in range(25):
        image, masks = augment(255 * mask.astype(np.float32), mask[None], quiet, rng, size)
        seen, followed = image > 127.5, masks[0].astype(bool)
        assert followed.any()
        overlap = (seen & followed).sum() / (seen | followed).sum()
        assert overlap > 0.96
        # And no systematic offset between the two ways of sampling.
        offset = np.subtract(ndimage.center_of_mass(seen), ndimage.center_of_mass(followed))
        assert np.abs(offset).max() < 0.3


def test_overlapping_masks_stay_apart_and_in_order() -> None:
    masks = np.stack([disc(60, 60, 20), disc(60, 70, 20), disc(0, 0, 5)])
    settings = only(rotation=45, scale=0.2)
    _, together = augment(noise(SIZE, SIZE), masks, settings, np.random.default_rng(3))
    for mask, warped in zip(masks, together, strict=True):
        _, alone = augment(noise(SIZE, SIZE), mask[None], settings, np.random.default_rng(3))
        np.testing.assert_array_equal(warped, alone[0])


def test_flips_half_the_time_and_exactly() -> None:
    image = noise(40, 60)
    mask = (image > 128).astype(np.uint8)
    rng = np.random.default_rng(0)
    flipped = 0
    for _ in range(400):
        changed, masks = augment(image, mask[None], only(flip=True), rng)
        mirrored = not np.array_equal(changed, image)
        np.testing.assert_array_equal(changed, image[:, ::-1] if mirrored else image)
        np.testing.assert_array_equal(masks[0], mask[:, ::-1] if mirrored else mask)
        flipped += mirrored
    assert 160 <= flipped <= 240  # four standard deviations


def test_the_same_generator_gives_the_same_slice() -> None:
    image, masks = noise(64, 64), disc(30, 40, 9, 64, 64)[None]
    first, again, other = (
        augment(image, masks, AugmentationSettings(), np.random.default_rng(seed))
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # Same place, at twice or half the size, pixel centres considered; each side by itself.
        ((256, 256), (100.5, 60.5, 2.0, 2.0)),
        ((64, 64), (24.75, 14.75, 0.5, 0.5)),
        ((128, 256), (50.0, 60.5, 1.0, 2.0)),
    ],
)
def test_size_resizes(size: tuple[int, int], expected: tuple[float, float, float, float]) -> None:
    mask = disc(50, 30, 16)
    image, masks = augment(
        255 * mask.astype(np.float32), mask[None], only(), np.random.default_rng(0), size
    )
    row, column, tall, wide = expected
    for warped in (image, masks[0]):
        assert ndimage.center_of_mass(warped) == pytest.approx((row, column), abs=0.35)
        assert (warped > 0.5).sum() == pytest.approx(mask.sum() * tall * wide, rel=0.12)


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        # How far the middle of a centred disc's brightness may move, of 100.
        (only(contrast=0.2), 80, 120),
        (only(brightness=0.1), 100 - 25.5, 100 + 25.5),
        (only(contrast=0.2, brightness=0.1), 80 - 25.5, 120 + 25.5),
    ],
)
def test_intensity_moves_within_its_range(
    settings: AugmentationSettings, least: float, most: float
) -> None:
    image = np.full((32, 32), 100, dtype=np.float32)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(300):
        changed, _ = augment(image, np.zeros((0, 32, 32), np.uint8), settings, rng)
        assert np.ptp(changed) == 0
        values.append(float(changed[0, 0]))
    assert least - 1e-3 <= min(values)
    assert max(values) <= most + 1e-3
    # Both ways, and nearly all of it.
    assert min(values) < 100 - 0.8 * (100 - least)
    assert max(values) > 100 + 0.8 * (most - 100)


def test_noise_is_as_strong_as_said_and_differs_by_pixel() -> None:
    image = np.full((64, 64), 128, dtype=np.float32)
    rng = np.random.default_rng(0)
    deviations = [
        float(augment(image, np.zeros((0, 64, 64), np.uint8), only(noise=0.05), rng)[0].std())
        for _ in range(100)
    ]
    assert max(deviations) < 0.05 * 255 * 1.1
    assert max(deviations) > 0.05 * 255 * 0.8
    assert min(deviations) < 0.05 * 255 * 0.2


@pytest.mark.parametrize(
    ("settings", "row_range", "column_range"),
    [
        # A shift is a fraction of its own side.
        (only(shift=0.1), (40, 60), (80, 120)),
        # What turns, or grows, does it about the middle.
        (only(rotation=180), (49.4, 49.6), (99.4, 99.6)),
        (only(scale=0.5), (49.4, 49.6), (99.4, 99.6)),
    ],
)
def test_the_middle_moves_by_shift_alone(
    settings: AugmentationSettings,
    row_range: tuple[float, float],
    column_range: tuple[float, float],
) -> None:
    mask = disc(49.5, 99.5, 12, 100, 200)
    rng = np.random.default_rng(0)
    for _ in range(50):
        image, _ = augment(255 * mask.astype(np.float32), mask[None], settings, rng)
        row, column = ndimage.center_of_mass(image)
        assert row_range[0] - 0.6 <= row <= row_range[1] + 0.6
        assert column_range[0] - 0.6 <= column <= column_range[1] + 0.6


def test_a_mask_may_leave_the_slice() -> None:
    corner = disc(0, 0, 3)
    rng = np.random.default_rng(0)
    empty = [
        not augment(noise(SIZE, SIZE), corner[None], only(shift=0.2), rng)[1].any()
        for _ in range(50)
    ]
    assert any(empty)
    assert not all(empty)


@pytest.mark.parametrize("elastic", [0.0, 0.1])
def test_values_of_pixels_move_as_the_masks_they_are_of(elastic: float) -> None:
    """A label map and weights of a semantic network, beside the same as masks of a detector's."""
    masks = np.stack([disc(40, 40, 20), disc(80, 90, 15)])
    values = np.stack([masks[0] * 2.0 + masks[1] * 7.0, np.ones((SIZE, SIZE))]).astype(np.float32)
    settings = AugmentationSettings(elastic=elastic, shift=0.3)

    image, moved = augment(noise(SIZE, SIZE), masks, settings, np.random.default_rng(5))
    same, moved_values = augment(noise(SIZE, SIZE), values, settings, np.random.default_rng(5))

    np.testing.assert_array_equal(image, same)
    np.testing.assert_array_equal(moved_values[0], moved[0] * 2.0 + moved[1] * 7.0)
    # Where the slice leaves a gap, no pixel counts.
    assert set(np.unique(moved_values[1])) == {0.0, 1.0}
