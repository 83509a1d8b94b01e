"""Denoising that keeps edges: bilateral filter, median of a disk, total variation."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.preprocess.filters import Grey, check_grey, to_grey

_REACH = 1.5  # radius of the bilateral window in deviations; see docs/classical.md
_NETWORK_RADIUS = 3  # largest radius at which sorting slices beats a sliding histogram


def bilateral(
    image: NDArray[Any], sigma_spatial: float = 15.0, sigma_grey: float | None = None
) -> Grey:
    """Return a grey slice in which each pixel is the mean of nearby pixels of similar grey.

    The window is a disk of 1.5 `sigma_spatial`: OpenCV's discretisation, in 8 bits.

    Args:
        image: uint8 (height, width).
        sigma_spatial: deviation of the Gaussian of the distance, in pixels.
        sigma_grey: deviation of the Gaussian of the difference, in grey levels; the standard
            deviation of the slice when None, as in scikit-image.

    Raises `InputError` for other images.
    Source: C. Tomasi and R. Manduchi, Bilateral filtering for gray and color images, ICCV 1998.
    """
    import cv2

    check_grey(image, "bilateral")
    deviation = float(image.std()) if sigma_grey is None else sigma_grey
    if deviation == 0:
        return image.copy()
    diameter = 2 * math.ceil(_REACH * sigma_spatial) + 1
    filtered = cv2.bilateralFilter(image, diameter, deviation, sigma_spatial)
    return np.asarray(filtered, dtype=np.uint8)


def total_variation(
    image: NDArray[Any], weight: float = 0.08, tolerance: float = 2e-4, iterations: int = 200
) -> Grey:
    """Return a grey slice with less total variation: flat areas, sharp edges.

    Args:
        image: uint8 (height, width).
        weight: 1 / λ of the Rudin-Osher-Fatemi problem for greys from 0 to 1; more is smoother.
        tolerance: stop when the cost changes by less than this fraction of its initial value.
        iterations: the most.

    Raises `InputError` for other images.
    Source: A. Chambolle, An algorithm for total variation minimization and applications, Journal
    of Mathematical Imaging and Vision 20 (2004) 89-97.
    """
    from skimage import restoration

    check_grey(image, "tv")
    denoise: Any = restoration.denoise_tv_chambolle
    return to_grey(255 * denoise(image, weight, eps=tolerance, max_num_iter=iterations))


def median(image: NDArray[Any], radius: int = 2) -> Grey:
    """Return the median in the disk around each pixel, of the pixels within the slice.

    At the border, where their number may be even, it is the upper median, like scikit-image's
    `rank.median` with `disk(radius)`, but several times faster for small radii.

    Args:
        image: uint8 (height, width).
        radius: of the disk, in pixels.

    Raises `InputError` for other images.

    >>> speck = np.zeros((5, 5), np.uint8)
    >>> speck[2, 2] = 255
    >>> int(median(speck, radius=1).max())
    0
    """
    check_grey(image, "median")
    height, width = image.shape
    if radius > _NETWORK_RADIUS or min(height, width) <= 2 * radius:
        return _rank_median(image, radius)
    result = np.empty_like(image)
    inner = slice(radius, height - radius), slice(radius, width - radius)
    result[inner] = _median_of_views(_disk_views(image, radius))
    edge = 2 * radius
    result[:radius] = _rank_median(image[:edge], radius)[:radius]
    result[-radius:] = _rank_median(image[-edge:], radius)[-radius:]
    result[:, :radius] = _rank_median(image[:, :edge], radius)[:, :radius]
    result[:, -radius:] = _rank_median(image[:, -edge:], radius)[:, -radius:]
    return result


def _rank_median(image: Grey, radius: int) -> Grey:
    from skimage import filters, morphology

    disk: Any = morphology.disk
    ranked: Any = filters.rank.median
    return np.asarray(ranked(image, disk(radius)), dtype=np.uint8)


def _disk_views(image: Grey, radius: int) -> list[Grey]:
    """Return the slice without a border of `radius`, shifted to every position in the disk."""
    height, width = image.shape
    return [
        image[radius + dy : height - radius + dy, radius + dx : width - radius + dx]
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if dx * dx + dy * dy <= radius * radius
    ]


def _median_of_views(views: list[Grey]) -> Grey:
    """Return the pixelwise median of an odd number of slices by forgetful selection.

    Of any (n + 3) / 2 of n values the smallest and the largest cannot be the median: they are
    dropped and the next value is added, until one is left.
    """
    kept = len(views) // 2 + 2
    window, rest = [view.copy() for view in views[:kept]], views[kept:]
    while len(window) > 1:
        _smallest_first(window)
        _smallest_first(window[::-1], np.maximum, np.minimum)
        window = window[1:-1]
        if rest:
            window.append(rest[0].copy())
            rest = rest[1:]
    return window[0]


def _smallest_first(window: list[Grey], first: Any = np.minimum, second: Any = np.maximum) -> None:
    """Move the smallest value of each pixel to the first slice, in place."""
    for other in window[1:]:
        smaller = first(window[0], other)
        second(window[0], other, out=other)
        window[0][...] = smaller
