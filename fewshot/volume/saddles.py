"""Where parts of a structure merge between two slices, and the effect on its area.

Around the height at which two parts first touch, the surface is a saddle, s + x² / a - y² / b = 0
with s the distance from that height: on one side is a gap of 2 sqrt(a |s|) between the parts, on
the other a waist of 2 sqrt(b s) joins them. The area is a smooth curve minus sqrt(a b) s log|s|,
whose slope is infinite at the saddle, so that no parabola fits. Gaps and waists, measured in four
to six sections around, give the height, a and b; the rest of the area is interpolated as usual.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from fewshot.slices.arrays import Mask
from fewshot.volume.distances import Field, signed_distance

Floats = NDArray[np.float64]

_HALVINGS = 16  # of a range of distances: subpixel precision
_SECTIONS = 3  # on either side to measure a saddle with; two are enough
_REACH = 2.0  # steps within which a saddle adds to the area


@dataclass(frozen=True)
class Saddle:
    """A saddle at a height (mm); `side` is 1 if the parts are joined above it, -1 if below.

    `strength` is sqrt(a b) in mm, `step` the distance of the slices in mm.
    """

    height: float
    side: int
    strength: float
    step: float

    def area(self, positions: Floats) -> Floats:
        """Return the contribution of the saddle to the area at some positions, mm², float64."""
        steps = np.asarray((positions - self.height) * self.side / self.step)
        with np.errstate(divide="ignore", invalid="ignore"):
            bare = np.where(steps == 0, 0.0, -steps * np.log(np.abs(steps)))
        added: Floats = self.strength * self.step * bare * np.exp(-((steps / _REACH) ** 2))
        return added


def find_saddles(
    masks: Mask, positions: Floats, step: float, pixel: tuple[float, float]
) -> list[Saddle]:
    """Return the saddles between the sections of a structure, (slices, height, width).

    They need two sections on either side: twice separate parts, then twice a joined one.
    """
    labelled = [cv2.connectedComponents(one.view(np.uint8), connectivity=4) for one in masks]
    found = []
    for apart in range(len(masks)):
        for side in (1, -1):
            together = apart + side
            if not 0 <= together < len(masks) or labelled[apart][0] < 3:
                continue
            places = [apart + side * way for way in range(1 - _SECTIONS, 1 + _SECTIONS)]
            parts = _flowing_together(labelled[apart][1], labelled[together][1])
            near = {
                float(positions[place]): signed_distance(masks[place], pixel)
                for place in (places if parts else ())
                if 0 <= place < len(masks)
            }
            for part in parts:
                rest = masks[apart] & ~part
                levels = {
                    height: level
                    for height, field in near.items()
                    if (level := _level(field, part, rest)) is not None
                }
                saddle = _saddle(levels, float(positions[apart]), float(positions[together]), step)
                found += [] if saddle is None else [saddle]
    return found


def _flowing_together(labels: NDArray[np.int32], following: NDArray[np.int32]) -> list[Mask]:
    """Return the parts that merge with a larger part of their section in the next one."""
    found = []
    pairs = np.unique(np.stack([following, labels])[:, (labels > 0) & (following > 0)], axis=1)
    for whole in np.unique(pairs[0]):
        parts = pairs[1, pairs[0] == whole]
        sizes = [int(np.count_nonzero(labels == part)) for part in parts]
        found += [labels == part for part in np.delete(parts, int(np.argmax(sizes)))]
    return found


def _saddle(
    levels: Mapping[float, float], apart: float, together: float, step: float
) -> Saddle | None:
    """Return the saddle between two heights from half gaps (negative) and half waists by height.

    Parabolas are fitted to their squares, or lines if the parabolas are not monotonic.
    """
    side = 1 if together > apart else -1
    gaps, waists = [], []
    for height, level in levels.items():
        place, square = (height - apart) * side, level**2
        if place <= 0 and level < 0:
            gaps.append((place, -square))
        elif place > 0 and level > 0:
            waists.append((place, square))
    gaps, waists = sorted(gaps)[::-1], sorted(waists)
    room = abs(together - apart)
    if min(len(gaps), len(waists)) < 2:
        return None
    for count in range(_SECTIONS, 1, -1):
        curves = [_through(known[:count]) for known in (gaps, waists)]
        share = float(np.clip(np.mean([_zero(one, room / 2) for one in curves]), 0, room))
        first, second = (float(one.deriv()(share)) for one in curves)
        if first > 0 and second > 0:
            return Saddle(apart + side * share, side, math.sqrt(first * second), step)
    return None


def _through(points: list[tuple[float, float]]) -> Polynomial:
    places, values = np.array(points).T
    return Polynomial.fit(places, values, len(points) - 1)


def _zero(curve: Polynomial, near: float) -> float:
    """Return the real root nearest to a place, or the place itself."""
    real = [float(root.real) for root in curve.roots() if abs(root.imag) < 1e-9]
    return min(real, key=lambda root: abs(root - near), default=near)


def _level(field: Field, part: Mask, rest: Mask) -> float | None:
    """Return the level at which two parts join: half a waist, or minus half a gap, in mm.

    None if one of them is not in this section.
    """
    seeds = []
    for region in (part, rest):
        inside = region & (field > 0)
        if not inside.any():
            return None
        seeds.append(np.unravel_index(int(np.where(inside, field, -np.inf).argmax()), field.shape))
    low, high = float(field.min()), float(min(field[seed] for seed in seeds))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        labels = cv2.connectedComponents((field >= middle).view(np.uint8), connectivity=4)[1]
        if labels[seeds[0]] == labels[seeds[1]]:
            low = middle
        else:
            high = middle
    return low
