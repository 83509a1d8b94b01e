"""Kappa: agreement beyond chance of two raters (Cohen) or more (Fleiss)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.metrics.contingency import Contingency
from fewshot.metrics.overlap import LabelPair, Matching
from fewshot.slices.arrays import Labels


def cohen_kappa(a: Labels, b: Labels, *, regions: bool) -> float:
    """Return Cohen's kappa of two label maps, pixel by pixel, in -1 to 1.

    Without `regions` a pixel is foreground or background: did both mark the same tissue? With
    `regions` each pair of matched regions (see `match_regions`) and each region without a partner
    is a category: did both also divide it in the same way? Both variants are symmetric. Where
    chance alone gives full agreement, as on two empty label maps, kappa is undefined
    (scikit-learn: NaN), and 1 here.

    Raises `InputError` when the shapes differ or ids are negative or not integers.
    Source: J. Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    pair = LabelPair(a, b)
    return region_kappa(pair.cells, pair.matching) if regions else foreground_kappa(pair.cells)


def foreground_kappa(cells: Contingency) -> float:
    """Return Cohen's kappa of foreground against background; see `cohen_kappa`."""
    pixels = cells.pixels()
    in_both = int(cells.counts[(cells.truth != 0) & (cells.prediction != 0)].sum())
    in_a = int(cells.counts[cells.truth != 0].sum())
    in_b = int(cells.counts[cells.prediction != 0].sum())
    in_neither = pixels - in_a - in_b + in_both
    return _kappa(pixels, in_both + in_neither, in_a * in_b + (pixels - in_a) * (pixels - in_b))


def region_kappa(cells: Contingency, matching: Matching) -> float:
    """Return Cohen's kappa of background and matched regions; see `cohen_kappa`."""
    background = (cells.truth == 0) & (cells.prediction == 0)
    agreed = int(cells.counts[background].sum()) + int(matching.overlap.sum())
    sizes_a, sizes_b = cells.true_sizes, cells.predicted_sizes
    # Below 2**63 for up to 3 * 10**9 pixels.
    expected = int(sizes_a[0]) * int(sizes_b[0])
    expected += int(np.dot(sizes_a[matching.truth], sizes_b[matching.prediction]))
    return _kappa(cells.pixels(), agreed, expected)


def fleiss_kappa(raters: Sequence[NDArray[np.integer[Any]]]) -> float:
    """Return Fleiss' kappa of two or more label maps of one shape, pixel by pixel.

    Every id is a category, 0 (background) too. Where chance alone gives full agreement, as on
    empty label maps, kappa is undefined, and 1 here.
    Raises `InputError` for fewer than two raters or different shapes.
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


def _kappa(pixels: int, agreed: int, expected: int) -> float:
    """Return kappa of `agreed` pixels where chance gives `expected` / `pixels`; exact integers."""
    rest = pixels * pixels - expected
    return (pixels * agreed - expected) / rest if rest else 1.0
