"""Contrast and edges of grey slices; edges keep one gain, so that slices can be compared."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

Grey: TypeAlias = NDArray[np.uint8]

_SOBEL_SUM = 8  # OpenCV's Sobel kernel gives this many times the slope of a ramp
_MID_GREY = 128


def check_grey(image: NDArray[Any], what: str) -> None:
    """Raise `InputError` unless the image is 8-bit grey of shape (height, width), not empty."""
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            f"{what}: the image is {image.dtype} of shape {image.shape}; "
            "give 8-bit grey of shape (height, width) (fewshot convert --window makes it)"
        )


def to_grey(values: NDArray[np.floating[Any]]) -> Grey:
    """Return values rounded and clipped to grey levels 0 to 255."""
    grey: Grey = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return grey


def clahe(image: NDArray[Any], clip_limit: float = 2.0, tiles: int = 8) -> Grey:
    """Return a grey slice after contrast limited adaptive histogram equalisation.

    Equal grey values of different slices or tiles do not stay equal.

    Args:
        image: uint8 (height, width).
        clip_limit: largest bin of a tile's histogram, as a multiple of a flat histogram's.
        tiles: tiles a side, at most the image's pixels.

    Raises `InputError` for other images.
    Source: S. M. Pizer et al., Contrast-limited adaptive histogram equalization: speed and
    effectiveness, Visualization in Biomedical Computing 1990; OpenCV's implementation.

    >>> dull = np.tile(np.arange(100, 132, dtype=np.uint8), (32, 1))
    >>> int(np.ptp(dull)), int(np.ptp(clahe(dull)))
    (31, 79)
    """
    import cv2

    check_grey(image, "clahe")
    grid = (min(tiles, image.shape[1]), min(tiles, image.shape[0]))
    return np.asarray(cv2.createCLAHE(clip_limit, grid).apply(image), dtype=np.uint8)


def sobel(image: NDArray[Any], gain: float = 4.0) -> Grey:
    """Return the strength of the gradient, in grey levels a pixel, times `gain`, as grey.

    Args:
        image: uint8 (height, width).
        gain: with 4, a slope of 64 grey levels a pixel is white.

    Raises `InputError` for other images.
    Source: N. Kanopoulos, N. Vasanthavada and R. L. Baker, Design of an image edge detection filter
    using the Sobel operator, IEEE Journal of Solid-State Circuits 23 (1988) 358-367.

    >>> ramp = np.tile(np.arange(0, 50, 10, dtype=np.uint8), (5, 1))
    >>> int(sobel(ramp)[2, 2])
    40
    """
    import cv2

    check_grey(image, "sobel")
    across, down = (
        cv2.Sobel(image, cv2.CV_32F, dx, 1 - dx, ksize=3, borderType=cv2.BORDER_REFLECT)
        for dx in (1, 0)
    )
    return to_grey(cv2.magnitude(across, down) * (gain / _SOBEL_SUM))


def canny(image: NDArray[Any], sigma: float = 1.0, low: float = 5.0, high: float = 15.0) -> Grey:
    """Return thin edges as 255, everything else as 0.

    Args:
        image: uint8 (height, width).
        sigma: deviation of the Gaussian that smooths first, in pixels; 0 for none.
        low: gradient above which an edge continues, in grey levels a pixel.
        high: gradient above which an edge starts.

    Raises `InputError` for other images.
    Source: J. Canny, A computational approach to edge detection, IEEE Transactions on Pattern
    Analysis and Machine Intelligence 8 (1986) 679-698.
    """
    import cv2

    check_grey(image, "canny")
    smooth = cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image
    thresholds = _SOBEL_SUM * low, _SOBEL_SUM * high
    return np.asarray(cv2.Canny(smooth, *thresholds, L2gradient=True), dtype=np.uint8)


def laplacian_of_gaussian(image: NDArray[Any], sigma: float = 2.0, gain: float = 4.0) -> Grey:
    """Return the Laplacian of the smoothed slice, times σ² and `gain`, around a mid-grey of 128.

    Args:
        image: uint8 (height, width).
        sigma: deviation of the Gaussian, in pixels: the size of the structures that stand out.
        gain: of the response, which is scaled by σ² to be independent of the scale.

    Raises `InputError` for other images.
    Source: D. Marr and E. Hildreth, Theory of edge detection, Proceedings of the Royal Society B
    207 (1980) 187-217.
    """
    import cv2

    check_grey(image, "log")
    border = cv2.BORDER_REPLICATE
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma, borderType=border)
    answer = cv2.Laplacian(smooth, cv2.CV_32F, ksize=1, borderType=border)
    return to_grey(_MID_GREY + gain * sigma**2 * answer)
