"""Fleiss' kappa: how far several raters agree beyond chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError


def fleiss_kappa(raters: Sequence[NDArray[np.integer[Any]]]) -> float:
    """Return Fleiss' kappa of two or more label maps of one shape, pixel by pixel.

    Ids are categories, 0 (background) is one of them. Where chance alone gives full agreement, as
    on empty label maps, kappa is undefined and 1 here.
    Raises `InputError` for fewer than two raters or shapes that differ.
    Source: J. L. Fleiss, Measuring nominal scale agreement among many raters, Psychological
    Bulletin 76, 1971.
    """
    if len(raters) < 2:
        raise InputError(f"Fleiss' kappa needs two raters or more, not {len(raters)}")
    shapes = {rater.shape for rater in raters}
    if len(shapes) > 1:
        raise InputError(f"label maps: raters give shapes {sorted(shapes)}; give one size")
    flat = [rater.ravel() for rater in raters]
    count, pixels = len(flat), flat[0].size
    if not pixels:
        return 1.0
    agreeing = sum(
        int(np.count_nonzero(a == b)) for row, a in enumerate(flat) for b in flat[row + 1 :]
    )
    observed = agreeing / (pixels * count * (count - 1) / 2)
    totals = np.zeros(1 + max(int(one.max()) for one in flat), dtype=np.int64)
    for one in flat:
        totals += np.bincount(one, minlength=totals.size)
    shares = totals / (pixels * count)
    expected = float(shares @ shares)
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)
