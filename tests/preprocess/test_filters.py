"""Filters against independent implementations, at the size that users have, and at the smallest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import exposure, feature, filters, morphology, restoration, util

from fewshot.errors import InputError
from fewshot.preprocess.denoising import bilateral, median, total_variation
from fewshot.preprocess.filters import canny, clahe, laplacian_of_gaussian, sobel
from fewshot.slices.phantom import phantom_slice

Image = NDArray[np.uint8]

# scikit-image's functions are not annotated.
tv_chambolle: Any = restoration.denoise_tv_chambolle
rank_median: Any = filters.rank.median
skimage_sobel: Any = filters.sobel
skimage_canny: Any = feature.canny
img_as_ubyte: Any = util.img_as_ubyte
disk: Any = morphology.disk

FILTERS: dict[str, Callable[[Image], Image]] = {
    "clahe": clahe,
    "bilateral": bilateral,
    "tv": total_variation,
    "median": median,
    "sobel": sobel,
    "canny": canny,
    "log": laplacian_of_gaussian,
}


@pytest.fixture(scope="module")
def phantom() -> Image:
    return phantom_slice(np.random.default_rng(0), 512)[0]


def noise(*shape: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(37, 53), (1, 9), (2, 1)])
def test_total_variation_flattens_what_is_nearly_flat(shape: tuple[int, int]) -> None:
    image = np.where(np.arange(shape[1]) < shape[1] // 2, 60, 180) + noise(*shape) // 32
    smooth = total_variation(image.astype(np.uint8), 0.2)
    assert smooth.shape == shape
    assert np.abs(np.diff(smooth.astype(int))).sum() <= np.abs(np.diff(image)).sum()


@pytest.mark.parametrize("radius", [1, 2, 3, 4])
def test_median_is_scikit_images_rank_median(phantom: Image, radius: int) -> None:
    for image in (phantom, noise(61, 40), noise(5, 30), noise(1, 1)):
        np.testing.assert_array_equal(median(image, radius), rank_median(image, disk(radius)))


def weighted_mean(image: Image, radius: int, spatial: float, grey: float) -> NDArray[np.float64]:
    """Return the bilateral filter as it is defined, over a disk, pixel for pixel."""
    values = image.astype(np.float64)
    around = np.pad(values, radius, mode="reflect")
    total, weights = np.zeros_like(values), np.zeros_like(values)
    for dy, dx in np.argwhere(disk(radius)) - radius:
        top, left = radius + dy, radius + dx
        other = around[top : top + values.shape[0], left : left + values.shape[1]]
        distance = (dy**2 + dx**2) / (2 * spatial**2) + (other - values) ** 2 / (2 * grey**2)
        total += np.exp(-distance) * other
        weights += np.exp(-distance)
    return np.asarray(total / weights)


@pytest.mark.parametrize("grey", [40.0, None])
def test_bilateral_is_the_weighted_mean_of_its_definition(
    phantom: Image, grey: float | None
) -> None:
    image = phantom[180:340, 150:340]
    ours = bilateral(image, 3.0, grey)
    expected = weighted_mean(image, 5, 3.0, float(image.std()) if grey is None else grey)
    assert np.abs(ours - expected).max() < 0.51
    assert np.abs(ours.astype(float) - image).mean() > 5  # it does denoise


def test_bilateral_keeps_an_edge_that_a_gaussian_would_blur() -> None:
    step = np.array([[40, 200]], np.uint8).repeat(60, axis=0).repeat(30, axis=1)
    np.testing.assert_array_equal(bilateral(step, 5.0, 10.0), step)


def test_sobel_is_scikit_images_in_grey_levels_a_pixel(phantom: Image) -> None:
    # Theirs is twice the slope of a ramp, by axis, and the root of the mean of both squares.
    expected = np.clip(skimage_sobel(phantom.astype(float)) / np.sqrt(2) * 4, 0, 255)
    assert np.abs(sobel(phantom, 4.0) - expected).max() <= 0.51
    ramp = np.arange(0, 250, 10, dtype=np.uint8)[np.newaxis].repeat(9, axis=0)
    assert (sobel(ramp, 2.0)[:, 1:-1] == 20).all()


def test_log_is_near_scipys_and_signed_around_mid_grey(phantom: Image) -> None:
    expected = 128 + 4 * 9 * ndimage.gaussian_laplace(phantom.astype(float), 3.0, mode="nearest")
    differences = np.abs(laplacian_of_gaussian(phantom, 3.0, 4.0) - np.clip(expected, 0, 255))
    assert differences.mean() < 0.5
    blob = np.zeros((41, 41), dtype=np.uint8)
    blob[18:23, 18:23] = 200
    answer = laplacian_of_gaussian(blob, 2.0, 4.0)
    assert answer[20, 20] < 100
    assert answer[0, 0] == 128
    assert laplacian_of_gaussian(255 - blob, 2.0, 4.0)[20, 20] > 156


def test_canny_finds_most_of_the_edges_that_scikit_image_finds(phantom: Image) -> None:
    found = canny(phantom, 2.0, 4.0, 10.0)
    assert set(np.unique(found)) == {0, 255}
    # Theirs does not divide by the sum of the Sobel kernel.
    theirs = skimage_canny(phantom.astype(float), 2.0, 32.0, 80.0)
    near = ndimage.binary_dilation(found > 0, iterations=2)
    assert 0.02 < (found > 0).mean() < 0.3
    assert near[theirs].mean() > 0.9


def test_canny_goes_on_above_the_low_threshold_where_it_has_begun() -> None:
    image = np.zeros((40, 40), dtype=np.uint8)
    image[:, 20:] = np.linspace(20, 120, 40).astype(np.uint8)[:, np.newaxis]
    weak_alone = canny(image, 0.0, 45.0, 45.0)
    grown = canny(image, 0.0, 10.0, 45.0)
    assert not weak_alone[2:18].any()
    assert grown[2:18].any()


def test_clahe_spreads_a_narrow_histogram_and_is_bounded_by_its_limit(phantom: Image) -> None:
    dull = (100 + phantom // 16).astype(np.uint8)
    gentle, strong = clahe(dull, 1.0), clahe(dull, 8.0)
    assert dull.std() < gentle.std() < strong.std()
    theirs: Any = exposure.equalize_adapthist(dull, kernel_size=64, clip_limit=0.03)
    correlation = np.corrcoef(strong.ravel(), theirs.ravel())[0, 1]
    assert correlation > 0.9


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 48), np.uint8),
        np.full((64, 48), 77, np.uint8),
        np.full((30, 30), 255, np.uint8),
        np.full((1, 1), 9, np.uint8),
        noise(1, 7),
        noise(2, 2),
    ],
    ids=["black", "constant", "white", "one pixel", "one row", "four pixels"],
)
def test_odd_slices_have_a_result(name: str, image: Image) -> None:
    before = image.copy()
    result = FILTERS[name](image)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(image, before)
    if np.ptp(image) == 0:
        assert np.ptp(result) == 0


@pytest.mark.parametrize("name", FILTERS)
def test_a_view_of_a_larger_array_is_as_good_as_a_copy(name: str, phantom: Image) -> None:
    view = phantom[100:220:2, 300:180:-1]
    np.testing.assert_array_equal(FILTERS[name](view), FILTERS[name](view.copy()))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint16),
        np.full((8, 8), np.nan),
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8), bool),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((0, 8), np.uint8),
    ],
    ids=["16 bits", "NaN", "float", "bool", "colour", "flat", "empty"],
)
def test_other_images_are_refused(name: str, image: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=f"{name}: the image is .* give 8-bit grey") as refusal:
        FILTERS[name](image)
    assert len(str(refusal.value).splitlines()) == 1
