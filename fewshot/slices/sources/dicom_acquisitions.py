"""Dividing the frames of DICOM files into acquisitions, several of which may share a series."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
from pydicom import dcmread

from fewshot.errors import InputError
from fewshot.slices.sources.dicom_frame import ACQUISITIONS, CONTRASTS, Frame
from fewshot.slices.sources.dicom_pixels import quiet

_TURNED = np.deg2rad(1.0)  # slices at a larger angle are another stack
_SAME_PLACE = 0.1  # steps
_MOST_DIRECTIONS = 500
_LEAST = 0.01  # mm
_SEVERAL = 3  # slices; an acquisition with fewer may be of single slices


@dataclass
class Acquisition:
    """Frames that may be one volume, in order, and what distinguishes them from others."""

    frames: list[Frame]
    told_by: tuple[str, ...] = ()


@dataclass
class Sorted:
    """The acquisitions of files, copies of frames, and frames that cannot be told apart."""

    acquisitions: list[Acquisition] = field(default_factory=list)
    repeated: list[tuple[Frame, Frame]] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)


def acquisitions(frames: Sequence[Frame]) -> Sorted:
    """Divide frames into acquisitions: of one series, patient, size, direction and contrast.

    Directions may differ by rounding. Frames of a series at the same position are several
    acquisitions, echoes or time points, distinguished by an element of their headers; it is an
    error if there is none. A frame with the same position and pixels as another is a copy.
    """
    found = Sorted()
    series: dict[tuple[str, str], list[Frame]] = {}
    for one in frames:
        series.setdefault((one.series, one.patient), []).append(one)
    for members in series.values():
        told_by, parts = _by_shape(_without_copies(members, found.repeated))
        for part in parts:
            contrasts, same = _by_contrast(part)
            for alike in same:
                try:
                    more, stacks = _by_place(alike)
                except InputError as error:
                    found.errors.append(error)
                    continue
                found.acquisitions += [
                    Acquisition(in_order(own), (*told_by, *contrasts, *more)) for own in stacks
                ]
    return found


def in_order(frames: Sequence[Frame]) -> list[Frame]:
    """Return frames by position along the normal, otherwise by instance number."""
    if all(one.corner is not None and one.directions is not None for one in frames):
        heights = _heights(frames)
        places = [heights[id(one)] for one in frames]
        order = sorted(
            range(len(frames)),
            key=lambda at: (round(places[at], 3), frames[at].number, frames[at].frame),
        )
        return [frames[at] for at in order]
    return sorted(frames, key=lambda one: (one.number, one.frame))


def _heights(frames: Sequence[Frame]) -> dict[int, float]:
    """Return the positions of frames along their common normal, mm, by id of the frame."""
    normals = [np.cross(*one.directions) for one in frames if one.directions is not None]
    normal = np.mean(normals, axis=0)
    normal = normal / np.linalg.norm(normal)
    return {id(one): float(normal @ one.corner) for one in frames if one.corner is not None}


def _by_shape(frames: Sequence[Frame]) -> tuple[tuple[str, ...], list[list[Frame]]]:
    """Return frames by size and direction, and which of these differ."""
    sizes: dict[tuple[int, int], list[Frame]] = {}
    for one in frames:
        sizes.setdefault((one.rows, one.columns), []).append(one)
    parts = [stack for own in sizes.values() for stack in _by_direction(own)]
    told_by = ("Rows, Columns",) if len(sizes) > 1 else ()
    directed = ("ImageOrientationPatient",) if len(parts) > len(sizes) else ()
    return (*told_by, *directed), parts


def _by_direction(frames: Sequence[Frame]) -> list[list[Frame]]:
    stacks: list[list[Frame]] = []
    for one in frames:
        for stack in stacks:
            if turned(stack[0], one) <= _TURNED:
                stack.append(one)
                break
        else:
            stacks.append([one])
            if len(stacks) > _MOST_DIRECTIONS:
                raise InputError(
                    f"{one.path}: its series has slices in more than {_MOST_DIRECTIONS} directions;"
                    " give a folder for each stack"
                )
    return stacks


def turned(a: Frame, b: Frame) -> float:
    """Return the angle between two frames in radians."""
    if a.directions is None or b.directions is None:
        return 0.0 if a.directions is b.directions else np.pi
    return float(np.linalg.norm(a.directions - b.directions, axis=1).max())


def _without_copies(frames: Sequence[Frame], repeated: list[tuple[Frame, Frame]]) -> list[Frame]:
    seen: dict[tuple[object, ...], Frame] = {}
    kept = []
    for one in frames:
        place = one.uid if one.corner is None else tuple(np.round(one.corner, 4).tolist())
        key = (place, one.number, one.frame, tuple(one.traits.items()))
        first = seen.setdefault(key, one) if place else one
        if first is not one and first.path != one.path and _pixels(first) == _pixels(one):
            repeated.append((one, first))
        else:
            kept.append(one)
    return kept


def _pixels(frame: Frame) -> bytes:
    with quiet():
        found = dcmread(frame.path, specific_tags=["PixelData"], force=True)
    return bytes(found.get("PixelData") or b"")


def _by_contrast(frames: Sequence[Frame]) -> tuple[tuple[str, ...], list[list[Frame]]]:
    """Return frames by the elements that are unique in a volume, and which of these differ."""
    told_by = tuple(
        name for name in CONTRASTS if len({one.traits.get(name, "") for one in frames}) > 1
    )
    return told_by, _parts(frames, told_by)


def _by_place(frames: Sequence[Frame]) -> tuple[tuple[str, ...], list[list[Frame]]]:
    """Return frames in parts without two at the same position, and the element they differ in."""
    pair = _at_one_place(frames)
    if pair is None:
        parts = _parts(frames, ["AcquisitionNumber"])
        # Each slice, or each half, may be its own acquisition; those do not overlap.
        if len(parts) > 1 and _overlap(parts):
            return ("AcquisitionNumber",), parts
        return (), [list(frames)]
    differing = [
        name for name in ACQUISITIONS if len({one.traits.get(name, "") for one in frames}) > 1
    ]
    most = _most_at_one_place(frames)
    for count in (1, 2):
        for names in combinations(differing, count):
            parts = _parts(frames, names)
            # More parts than frames at a position would break up volumes.
            if len(parts) <= most and all(_at_one_place(part) is None for part in parts):
                return names, parts
    one, other = pair
    raise InputError(
        f"{one.path} and {other.path}: lie at one place ({one.height:.4g} mm) of one series, and "
        "no element tells their acquisitions apart; give a folder for each acquisition"
    )


def _overlap(parts: Sequence[Sequence[Frame]]) -> bool:
    """Return whether acquisitions of several slices each cover the same range."""
    if any(len(part) < _SEVERAL for part in parts):
        return False
    heights = _heights([one for part in parts for one in part])
    if len(heights) < sum(map(len, parts)):
        return False
    ranges = sorted(
        (min(heights[id(one)] for one in part), max(heights[id(one)] for one in part))
        for part in parts
    )
    return any(low < high for (_, high), (low, _) in pairwise(ranges))


def _parts(frames: Sequence[Frame], names: Sequence[str]) -> list[list[Frame]]:
    parts: dict[tuple[str, ...], list[Frame]] = {}
    for one in frames:
        parts.setdefault(tuple(one.traits.get(name, "") for name in names), []).append(one)
    return list(parts.values())


def _at_one_place(frames: Sequence[Frame]) -> tuple[Frame, Frame] | None:
    """Return two frames at the same position; None if there are none, or positions are unknown."""
    ordered, near = _neighbours(frames)
    for place in np.flatnonzero(near).tolist():
        return ordered[place], ordered[place + 1]
    return None


def _most_at_one_place(frames: Sequence[Frame]) -> int:
    most = run = 1
    for near in _neighbours(frames)[1]:
        run = run + 1 if near else 1
        most = max(most, run)
    return most


def _neighbours(frames: Sequence[Frame]) -> tuple[list[Frame], list[bool]]:
    """Return frames by height, and whether each is at the same position as the next."""
    if len(frames) < 2 or any(one.corner is None or one.directions is None for one in frames):
        return list(frames), []
    heights = _heights(frames)
    ordered = sorted(frames, key=lambda one: heights[id(one)])
    gaps = np.diff([heights[id(one)] for one in ordered])
    apart = gaps[gaps > _LEAST]
    nearest = max(_LEAST, _SAME_PLACE * float(np.median(apart))) if apart.size else _LEAST
    return ordered, (gaps < nearest).tolist()
