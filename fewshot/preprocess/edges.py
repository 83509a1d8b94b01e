"""Edge filters, as grey slices: the same gain for every slice, so that edges can be compared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.preprocess.checks import Grey, check_grey, to_grey

_SOBEL_SUM = 8  # OpenCV's Sobel kernel answers so many times the slope of a ramp
_MID_GREY = 128


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
        low: gradient above which an edge that has begun goes on, in grey levels a pixel.
        high: gradient above which an edge begins.

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
        gain: of the answer; times σ², so that it does not fade with the scale.

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
