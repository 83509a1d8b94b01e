"""Shape-based interpolation between slices: signed distances blended, areas matched.

Between two sections the signed distances to their outlines are blended linearly (S. P. Raya and
J. K. Udupa, Shape-based interpolation of multidimensional objects, IEEE Trans. Med. Imaging 9,
1990), and the level of the outline is moved until the plane has the area given by a second-order
curve through the areas of the neighbouring sections; otherwise the planes of round bodies would be
too small. Where parts merge the curve is not smooth: the contribution of `saddles` is subtracted
before and added after. Beyond the first and last section the same curve tells where the body ends,
less than one step away, because the next slice is empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.slices.arrays import Mask
from fewshot.volume.distances import Field, signed_distance
from fewshot.volume.saddles import Saddle, find_saddles

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sections:
    """The sections of one structure and their positions.

    `masks` is (slices, height, width); `positions` (slices,) mm, ascending; `step` and `pixel`
    (row, column) in mm.
    """

    masks: Mask
    positions: Floats
    step: float
    pixel: tuple[float, float]

    def areas(self) -> Floats:
        """Return the area of each section in pixels, (slices,)."""
        found: Floats = np.count_nonzero(self.masks, axis=(1, 2)).astype(np.float64)
        return found


def planes_per_step(step: float, pixel: tuple[float, float]) -> int:
    """Return how many planes per step make voxels about as high as wide."""
    return int(np.clip(round(step / max(pixel)), 2, 8))


def plane_positions(sections: Sections, per_step: int) -> Floats:
    """Return the positions of the planes, mm: `per_step` a step, from a step below to one above.

    They are symmetric about each slice; with one plane per step they are the slices.
    """
    height = sections.step / per_step
    first = sections.positions[0] - sections.step / 2 + height / 2
    below = per_step // 2
    span = sections.positions[-1] - sections.positions[0] + sections.step
    count = round(span / height) + 2 * below
    found: Floats = first + height * (np.arange(count) - below)
    return found


def planes(sections: Sections, positions: Floats) -> Iterator[Field]:
    """Yield a field for each position, float32 (height, width): above 0 is inside.

    The values are distances to the outline in mm, clipped to one pixel; a plane without the
    structure is one pixel outside everywhere.
    """
    areas = AreaCurve(sections)
    band = max(sections.pixel)
    outside = np.full(sections.masks.shape[1:], -band, dtype=np.float32)
    distances = _Distances(sections)
    for position in positions:
        wanted = round(areas.at(position))
        field = distances.blend(position, areas.known) if wanted else None
        if field is None:
            yield outside
        else:
            yield np.clip(field - _level(field, wanted), -band, band)


class AreaCurve:
    """The area of a structure at any position, in pixels, from its sections.

    Between two sections: the mean of the parabolas through the nearest three on either side,
    weighted by proximity, which is exact for ellipsoids, plus saddles. Beyond the last section: the
    parabola of the last three if it reaches 0 before the next, empty slice, otherwise the last area
    for half a step. Beyond the first and last slice, where nothing is known: half a step.
    """

    def __init__(self, sections: Sections) -> None:
        self.known = sections.areas()
        self._positions, self._step = sections.positions, sections.step
        self._power = area_power(self.known, self._positions)
        self._pixel = sections.pixel[0] * sections.pixel[1]
        self._smooth = self.known**self._power
        self._saddles: list[Saddle] = []
        if self._power == 1:
            self._take_out(
                find_saddles(sections.masks, sections.positions, self._step, sections.pixel)
            )

    def at(self, position: float) -> float:
        """Return the area at a position in mm."""
        areas, positions = self._smooth, self._positions
        above = int(np.searchsorted(positions, position, side="left"))
        if above < len(positions) and positions[above] == position:
            return float(self.known[above])
        below = above - 1
        inside_below = below >= 0 and areas[below] > 0
        inside_above = above < len(positions) and areas[above] > 0
        if inside_below and inside_above:
            found = _between(position, below, areas, positions)
            found += float(self._rough(np.array([position]))[0])
            # A parabola through sections that change abruptly may overshoot.
            pair = self.known[below] ** self._power, self.known[above] ** self._power
            found = float(np.clip(found, 0.5 * min(pair), 1.5 * max(pair)))
        else:
            found = 0.0
            for end, known, way in ((below, inside_below, -1), (above, inside_above, 1)):
                if known:
                    beyond = _beyond(position, end, way, areas, positions, self._step)
                    found = max(found, beyond)
        return float(found ** (1 / self._power))

    def _take_out(self, saddles: list[Saddle]) -> None:
        """Subtract saddles from the smooth curve, unless a section would vanish."""
        self._saddles = saddles
        smooth = np.where(self.known > 0, self.known - self._rough(self._positions), 0.0)
        if np.array_equal(smooth > 0, self.known > 0):
            self._smooth = smooth
        else:
            self._saddles = []

    def _rough(self, positions: Floats) -> Floats:
        """Return the contribution of saddles to the area, in pixels."""
        added = np.zeros(len(positions))
        for saddle in self._saddles:
            added += saddle.area(positions) / self._pixel
        return added


def area_power(areas: Floats, positions: Floats) -> int:
    """Return 1 if areas follow parabolas, 2 if their squares do so better.

    The areas of an ellipsoid are a parabola, as are the squared areas of a flat ring. The power is
    the one by which the three sections next to each end predict the last section best.
    """
    errors = np.zeros(2)
    inside = np.flatnonzero(areas > 0)
    ends = [inside[:4], inside[::-1][:4]]
    for sections in ends:
        if len(sections) < 4 or np.ptp(sections) > 3:
            continue
        triple = int(sections[1]), int(sections[2]), int(sections[3])
        for place, power in enumerate((1, 2)):
            foretold = _parabola(positions[sections[0]], triple, areas**power, positions)
            errors[place] += abs(max(foretold, 0.0) ** (1 / power) - areas[sections[0]])
    return 2 if errors[1] < errors[0] else 1


class _Distances:
    """Signed distances of the sections around a position; the last two are cached."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._kept: dict[int, Field] = {}

    def blend(self, position: float, areas: Floats) -> Field | None:
        """Return the blended distances at a position; None without a section nearby."""
        places = self._sections.positions
        above = min(int(np.searchsorted(places, position)), len(places) - 1)
        below = above if places[above] <= position else max(above - 1, 0)
        near = [one for one in dict.fromkeys((below, above)) if areas[one] > 0]
        self._kept = {one: self._kept.get(one, self._of(one)) for one in near}
        if not near:
            return None
        if len(near) == 1:
            return self._kept[near[0]]
        share = np.float32((position - places[below]) / (places[above] - places[below]))
        mixed: Field = self._kept[below] * (1 - share) + self._kept[above] * share
        return mixed

    def _of(self, index: int) -> Field:
        if index in self._kept:
            return self._kept[index]
        return signed_distance(self._sections.masks[index], self._sections.pixel)


def _level(field: Field, wanted: int) -> float:
    """Return the level above which `wanted` pixels of a field lie, as far as ties allow."""
    flat = field.ravel()
    if wanted >= flat.size:
        return float(flat.min()) - 1.0
    parts = np.partition(flat, flat.size - wanted - 1)
    lowest_in, highest_out = parts[flat.size - wanted :].min(), parts[flat.size - wanted - 1]
    if lowest_in > highest_out:
        return float(lowest_in + highest_out) / 2
    # Pixels at the level itself: all or none, whichever is closer to `wanted`.
    more, fewer = np.count_nonzero(flat >= lowest_in), np.count_nonzero(flat > lowest_in)
    if fewer and wanted - fewer < more - wanted:
        return float(lowest_in + flat[flat > lowest_in].min()) / 2
    smaller = flat[flat < lowest_in]
    return float(lowest_in + smaller.max()) / 2 if smaller.size else float(lowest_in) - 1.0


def _between(position: float, below: int, areas: Floats, positions: Floats) -> float:
    above = below + 1
    share = (position - positions[below]) / (positions[above] - positions[below])
    curves = [
        _parabola(position, triple, areas, positions)
        for triple in ((below - 1, below, above), (below, above, above + 1))
        if triple[0] >= 0 and triple[2] < len(areas) and areas[list(triple)].min() > 0
    ]
    if not curves:
        return float((1 - share) * areas[below] + share * areas[above])
    return curves[0] if len(curves) == 1 else (1 - share) * curves[0] + share * curves[1]


def _beyond(
    position: float, end: int, way: int, areas: Floats, positions: Floats, step: float
) -> float:
    """Return the area beyond the last section; `way` is the index step from it into the body."""
    outward = abs(position - positions[end])
    following = end - way
    known = 0 <= following < len(positions)
    room = abs(positions[following] - positions[end]) if known else step
    triple = (end, end + way, end + 2 * way)
    if known and 0 <= triple[2] < len(areas) and areas[list(triple)].min() > 0:
        zero = _zero(triple, areas, positions, room)
        if zero is not None:
            if outward >= zero:
                return 0.0
            return max(0.0, _parabola(position, triple, areas, positions))
    return float(areas[end]) if outward <= room / 2 else 0.0


def _zero(
    triple: tuple[int, int, int], areas: Floats, positions: Floats, room: float
) -> float | None:
    """Return where beyond the first of three sections their parabola is 0, if within `room`."""
    way = np.sign(positions[triple[0]] - positions[triple[1]])
    places = (positions[list(triple)] - positions[triple[0]]) * way
    roots = np.roots(np.polyfit(places, areas[list(triple)], 2))
    real = [float(one.real) for one in roots if abs(one.imag) < 1e-9 and 0 < one.real <= room]
    return min(real, default=None)


def _parabola(
    position: float, triple: tuple[int, int, int], areas: Floats, positions: Floats
) -> float:
    """Return the value at a position of the parabola through three sections (Lagrange)."""
    total = 0.0
    for one in triple:
        factor = 1.0
        for other in triple:
            if other != one:
                factor *= (position - positions[other]) / (positions[one] - positions[other])
        total += factor * float(areas[one])
    return total
