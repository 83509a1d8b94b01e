"""The watershed baseline, held to the organisers' recipe."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters, morphology, segmentation

from fewshot.classical.watershed import watershed_label_map
from fewshot.config.watershed import WatershedSettings
from fewshot.errors import InputError

Image = NDArray[np.uint8]

HEADNECK = Path(os.environ.get("FEWSHOT_DATA", "../shared/data")) / "headneck"


# scikit-image's functions are not annotated.
sobel: Any = filters.sobel
rank: Any = filters.rank
disk: Any = morphology.disk
watershed: Any = segmentation.watershed


def recipe(img: Image) -> Any:
    """Return the label map of the recipe as it was published, step by step."""
    edges = sobel(img)
    denoised = rank.median(img, disk(2))
    markers = rank.gradient(denoised, disk(5)) < 20
    markers = ndimage.label(markers)[0]
    return watershed(edges, markers=markers, compactness=0.0001)


def noise() -> Image:
    return np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)


def smooth_noise() -> Image:
    field = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(512, 512)), 9)
    image: Image = (255 * (field - field.min()) / np.ptp(field)).astype(np.uint8)
    return image


def discs() -> Image:
    """Return something like a slice: a body, organs of different brightness, noise."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[:300, :400]
    image = np.where(((rows - 150) / 140) ** 2 + ((columns - 200) / 180) ** 2 < 1, 90.0, 0.0)
    for y, x, radius, value in zip(
        rng.integers(60, 240, 12),
        rng.integers(80, 320, 12),
        rng.integers(8, 40, 12),
        rng.integers(30, 250, 12),
        strict=True,
    ):
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = value
    return np.clip(image + rng.normal(scale=6, size=image.shape), 0, 255).astype(np.uint8)


IMAGES: dict[str, Image] = {
    "noise": noise(),
    "smooth noise": smooth_noise(),
    "discs": discs(),
    "black": np.zeros((64, 64), dtype=np.uint8),
    "white": np.full((64, 48), 255, dtype=np.uint8),
    "one pixel": np.full((1, 1), 9, dtype=np.uint8),
}


@pytest.mark.parametrize("name", IMAGES)
def test_is_the_published_recipe(name: str) -> None:
    image = IMAGES[name]
    before = image.copy()

    label_map = watershed_label_map(image)

    np.testing.assert_array_equal(label_map, recipe(image))
    np.testing.assert_array_equal(image, before)
    assert label_map.dtype == np.int32
    assert label_map.shape == image.shape


def test_is_the_published_recipe_on_real_slices() -> None:
    paths = sorted((HEADNECK / "X_train").glob("*.png"))[::300]
    if not paths:
        pytest.skip(f"no head-and-neck slices in {HEADNECK}; set FEWSHOT_DATA")

    for path in paths:
        image: Image = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
        np.testing.assert_array_equal(watershed_label_map(image), recipe(image))


@pytest.mark.parametrize("name", ["smooth noise", "discs"])
def test_every_pixel_gets_a_region(name: str) -> None:
    label_map = watershed_label_map(IMAGES[name])

    assert set(np.unique(label_map)) == set(range(1, label_map.max() + 1))
    assert label_map.max() > 5


def test_a_constant_image_is_one_region() -> None:
    assert (watershed_label_map(IMAGES["black"]) == 1).all()


def test_an_image_without_a_flat_place_has_no_region() -> None:
    assert (watershed_label_map(IMAGES["noise"], WatershedSettings(marker_gradient=1)) == 0).all()


def test_settings_change_the_regions() -> None:
    default = watershed_label_map(IMAGES["discs"])

    for settings in (
        WatershedSettings(median_radius=4),
        WatershedSettings(gradient_radius=2),
        WatershedSettings(marker_gradient=60),
        WatershedSettings(compactness=0.1),
    ):
        assert not np.array_equal(watershed_label_map(IMAGES["discs"], settings), default)


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint16), np.zeros((8, 8), np.float64), np.zeros((8, 8, 3), np.uint8)],
)
def test_other_images_are_refused(image: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="8-bit grey"):
        watershed_label_map(image)
