"""Total variation denoising."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.preprocess.checks import Grey, check_grey, to_grey

Plane: TypeAlias = NDArray[np.float64]

_STEP = 0.25  # of Chambolle's iteration: 1 / (2 · dimensions)
_BAND = 1 << 16  # pixels worked on at a time: a handful of such arrays stay in the cache


def total_variation(
    image: NDArray[Any], weight: float = 0.08, tolerance: float = 2e-4, iterations: int = 200
) -> Grey:
    """Return a grey slice with less total variation: flat areas, sharp edges.

    Args:
        image: uint8 (height, width).
        weight: 1 / λ of the Rudin-Osher-Fatemi problem for greys from 0 to 1; more is smoother.
        tolerance: the iteration ends when the cost changes by less than this part of its start.
        iterations: at most.

    Raises `InputError` for other images. The result is, to the rounding, that of scikit-image's
    `denoise_tv_chambolle`, in less time.
    Source: A. Chambolle, An algorithm for total variation minimization and applications, Journal
    of Mathematical Imaging and Vision 20 (2004) 89-97.
    """
    check_grey(image, "tv")
    # A multiplication, as scikit-image's `img_as_float` has it: labels must not hang on a last bit.
    plane = np.multiply(image, 1 / 255, dtype=np.float64)
    return to_grey(255 * chambolle(plane, weight, tolerance, iterations))


def chambolle(plane: Plane, weight: float, tolerance: float, iterations: int) -> Plane:
    """Return a float64 (height, width) image denoised as `total_variation` says.

    Each iteration passes over the image twice in bands of rows, with buffers no larger than a band:
    the time of the usual formulation goes into moving whole images through memory.
    """
    dual = np.zeros((2, *plane.shape))  # pairs of differences, down and to the right
    denoised = plane.copy()
    bands = _bands(*plane.shape)
    buffers = np.empty((4, bands[0].stop, plane.shape[1]))
    start = previous = 0.0
    for iteration in range(iterations):
        change = _denoise(plane, dual, denoised, bands, buffers) if iteration else 0.0
        variation = _climb(denoised, dual, weight, bands, buffers)
        cost = (change + weight * variation) / plane.size
        if iteration == 0:
            start = cost
        elif abs(previous - cost) < tolerance * start:
            break
        previous = cost
    return denoised


def _bands(height: int, width: int) -> list[slice]:
    rows = min(height, max(1, _BAND // width))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _denoise(
    plane: Plane, dual: Plane, denoised: Plane, bands: list[slice], buffers: Plane
) -> float:
    """Set the denoised image to the image less the dual's divergence; return the squared change."""
    down, right = dual
    squares = 0.0
    for band in bands:
        rows = band.stop - band.start
        change, square = buffers[0, :rows], buffers[1, :rows]
        np.add(down[band], right[band], out=change)
        np.negative(change, out=change)
        first = int(band.start == 0)  # nothing comes from above the first row
        change[first:] += down[band.start + first - 1 : band.stop - 1]
        change[:, 1:] += right[band, :-1]
        np.add(plane[band], change, out=denoised[band])
        np.multiply(change, change, out=square)
        squares += float(square.sum())
    return squares


def _climb(
    denoised: Plane, dual: Plane, weight: float, bands: list[slice], buffers: Plane
) -> float:
    """Move the dual along the gradient of the denoised image; return its total variation."""
    variation = 0.0
    last = len(denoised) - 1
    for band in bands:
        rows = band.stop - band.start
        down, right, norm, square = buffers[:, :rows]
        inner = min(band.stop, last) - band.start  # the last row has none below
        np.subtract(
            denoised[band.start + 1 : band.start + 1 + inner],
            denoised[band.start : band.start + inner],
            out=down[:inner],
        )
        down[inner:] = 0
        np.subtract(denoised[band, 1:], denoised[band, :-1], out=right[:, :-1])
        right[:, -1] = 0
        np.multiply(down, down, out=norm)
        np.multiply(right, right, out=square)
        norm += square
        np.sqrt(norm, out=norm)
        variation += float(norm.sum())
        norm *= _STEP / weight
        norm += 1.0
        for field, gradient in zip(dual, (down, right), strict=True):
            gradient *= _STEP
            field[band] -= gradient
            field[band] /= norm
    return variation
