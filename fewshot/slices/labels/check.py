"""Checking that values are labels: whole numbers, and regions rather than a picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.label_names import Renamed
from fewshot.slices.remarks import remark

_NEAR = 0.01  # from a whole number, which a header's slope or a resampling leaves
_MOST_IDS = 4096
_LARGEST = 2**31
# A few odd ids may be small structures; a picture or a blurred mask has many.
_FEWEST_ODD = 3
_FEWEST_STEPS = 32  # ids of a smooth picture, most of whose borders are steps of one


@dataclass(frozen=True)
class LabelRules:
    """How to read labels that are hard to recognise.

    Values from `threshold` up are the only structure. `trusted` labels are accepted even if they do
    not look like labels. `renamed` gives the name under which a slice or volume is written, which
    its labels may have, too.
    """

    threshold: float | None = None
    trusted: bool = False
    renamed: Renamed | None = None


PLAIN = LabelRules()


def check_label_map(
    values: NDArray[Any], height: int, width: int, where: str, rules: LabelRules = PLAIN
) -> NDArray[Any]:
    """Return ids as integers of shape (height, width).

    Raises `InputError` naming `where` for another size, fractions, negative ids, or values that
    look like a picture or a mask with soft edges.
    """
    if values.shape != (height, width):
        sides = " x ".join(map(str, values.shape))
        swapped = values.shape == (width, height) and height != width
        raise InputError(
            f"{where}: labels are {sides}, the slice is {height} x {width}; give the same size"
            + (", turned as the slice is shown (by EXIF, or upright)" if swapped else "")
        )
    if rules.threshold is not None:
        shown: NDArray[Any] = np.nan_to_num(values) >= rules.threshold
        return shown.astype(np.uint8)
    ids = _whole(values, where)
    if int(ids.min()) < 0:
        raise InputError(f"{where}: label {int(ids.min())} is negative; give ids from 0 up")
    if not rules.trusted:
        _check_regions(ids, where)
    return ids


def _whole(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return values as integers; floats that are nearly whole are rounded, with a remark."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind != "f":
        return values
    if not np.isfinite(values).all():
        raise InputError(f"{where}: labels hold NaN or infinity; give whole numbers, 0 outside")
    if (np.abs(values) > _LARGEST).any():
        raise InputError(f"{where}: labels hold {float(values.max()):g}; give ids up to 65535")
    rounded: NDArray[Any] = np.rint(values)
    off = np.abs(values - rounded)
    if off.max() > _NEAR:
        raise InputError(
            f"{where}: labels have fractions, such as {float(values.flat[int(off.argmax())]):.6g};"
            " give whole numbers, or fewshot convert --label-threshold for one structure"
        )
    if off.max() > 0:
        remark("labels that are nearly whole numbers, within 0.01, are rounded", where)
    return rounded.astype(np.int64)


def _check_regions(ids: NDArray[Any], where: str) -> None:
    """Refuse ids distributed like grey values: many only in specks, or between two others."""
    found, areas = np.unique(ids, return_counts=True)
    if found[0] != 0:
        remark("labels without any background (id 0)", where)
    found, areas = found[found > 0], areas[found > 0]
    if len(found) < 2:
        return
    if len(found) > _MOST_IDS:
        raise _no_labels(where, found, areas, ids.size, "more than any slice has regions")
    small = np.searchsorted(found, ids).astype(np.uint16) + 1
    small[ids == 0] = 0
    steps = 0.0
    between, alone = (
        np.bincount(small[pixels], minlength=len(found) + 1)[1:] for pixels in _odd_pixels(small)
    )
    # A single pixel may be a region; several that do not touch are not.
    odd_ids = found[between + np.where(areas > 1, alone, 0) >= areas / 2]
    if len(found) >= _FEWEST_STEPS:
        steps = _steps_of_one(ids)
    blurred = len(odd_ids) > 0 and found[-1] == 255 and 255 not in odd_ids and len(found) < 255
    if (len(odd_ids) >= _FEWEST_ODD or blurred) and 2 * len(odd_ids) >= len(found):
        shown = ", ".join(map(str, odd_ids[:3].tolist()))
        why = f"{len(odd_ids)} of them ({shown}, ...) only as specks, or on edges between others"
        raise _no_labels(where, found, areas, ids.size, why)
    if steps > 0.8:
        raise _no_labels(where, found, areas, ids.size, "and neighbours differ by one")


def _no_labels(
    where: str, found: NDArray[Any], areas: NDArray[Any], pixels: int, why: str
) -> InputError:
    return InputError(
        f"{where}: holds {len(found)} ids from {found[0]} to {found[-1]} on"
        f" {areas.sum() / pixels:.0%} of the slice, {areas.min()} to {areas.max()} pixels each,"
        f" {why}: a picture, or a mask with soft edges; give labels with one id a region,"
        " fewshot convert --label-threshold for one structure with soft edges, or --trust-labels if"
        " it is right"
    )


def _odd_pixels(ids: NDArray[np.uint16]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the labelled pixels that touch a lower and a higher id, and isolated ones."""
    low, high, alone = ids.copy(), ids.copy(), np.ones(ids.shape, np.bool_)
    for one, other in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        neighbours = ids[other]
        np.minimum(low[one], neighbours, out=low[one])
        np.maximum(high[one], neighbours, out=high[one])
        alone[one] &= ids[one] != neighbours
    between: NDArray[np.bool_] = (low < ids) & (high > ids) & (ids > 0)
    return between, alone & ~between & (ids > 0)


def _steps_of_one(ids: NDArray[Any]) -> float:
    """Return the share of steps of one among the borders between labelled neighbours."""
    steps = borders = 0
    values = ids.astype(np.int64)
    for one, other in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        both = (one > 0) & (other > 0) & (one != other)
        borders += int(np.count_nonzero(both))
        steps += int(np.count_nonzero(both & (np.abs(one - other) == 1)))
    return steps / borders if borders else 0.0
