"""The volume of the frames of an acquisition, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fewshot.errors import InputError
from fewshot.slices.images import name_a_few
from fewshot.slices.sources.dicom_acquisitions import turned
from fewshot.slices.sources.dicom_frame import Frame, Vector
from fewshot.slices.volume import Volume, describe_slices, grid_of, picture_affine

_PIXEL = 0.5  # pixels by which a slice may be shifted within its plane, at the far corner
_STEP = 0.1  # steps by which it may be shifted along the normal
_SAID = 0.01  # steps; more is reported
_USUAL = 0.4  # fraction of the steps that must be equal
_MOST_PAIRED = 1500  # slices
_LEAST = 0.01  # mm; positions are rounded


@dataclass(frozen=True)
class Placed:
    """Frames in order, the index of each in the volume, and what was found.

    `reason` says why there is no volume; `reading` how it was read.
    """

    volume: Volume | None
    indices: tuple[int, ...] = ()
    reason: str = ""
    reading: str = ""
    warnings: tuple[str, ...] = ()


def place(frames: Sequence[Frame], source: str) -> Placed:
    """Return the volume of frames, given in order, at even steps; missing slices stay empty.

    Positions may deviate from the even grid by a tenth of a step along the normal and half a pixel
    across it, directions by as much at the far corner, pixel sizes by a tenth of a pixel over the
    slice.
    """
    try:
        corners, directions, spacing = _same_planes(frames)
        if len(frames) == 1:
            return _single(frames[0], directions, spacing, source)
        normal = np.cross(*directions)
        normal /= np.linalg.norm(normal)
        numbers, step = _numbers(frames, corners @ normal)
        start, way = _line(frames, numbers, corners, normal, step, spacing)
    except _NoVolume as error:
        return Placed(None, reason=str(error))
    volume = _volume(frames[0], directions, spacing, start, way, int(numbers[-1]) + 1, source)
    if volume is None:
        return Placed(None, reason="positions and directions span no volume")
    grid = grid_of(picture_affine(volume))
    missed = np.abs((corners - start - numbers[:, None] * way) @ normal)
    told = []
    if missed.max() > max(_SAID * step, _LEAST):
        worst = frames[int(missed.argmax())].label
        told.append(
            f"positions differ by up to {missed.max():.3g} mm from even steps of {step:.4g} mm "
            f"({worst}); taken as even"
        )
    told += _gaps(frames, numbers, step)
    indices = tuple(int(one) for one in numbers)
    # Half a slice at either end, as in every gap.
    reading = describe_slices(len(frames), grid, float(indices[-1] + 1) * grid.step)
    return Placed(volume, indices, reading=reading, warnings=tuple(told))


class _NoVolume(Exception):
    """A violated condition of a volume: which, by how much, between which files."""


def _same_planes(frames: Sequence[Frame]) -> tuple[Vector, Vector, tuple[float, float]]:
    """Return corners (frames, 3), common directions and common pixel size."""
    first = frames[0]
    for one in frames:
        if one.directions is None:
            raise _NoVolume(f"{one.label} has no usable ImageOrientationPatient")
        if one.corner is None:
            raise _NoVolume(f"{one.label} has no usable ImagePositionPatient")
        if one.spacing is None:
            raise _NoVolume(f"{one.label} has no usable PixelSpacing")
    spacing = np.array([one.spacing for one in frames])
    common = np.median(spacing, axis=0)
    pixels = np.array([first.rows, first.columns])
    off = (np.abs(spacing / common - 1) * pixels).max(axis=1)
    if off.max() > 0.1:
        other = frames[int(off.argmax())]
        usual = frames[int(off.argmin())]
        raise _NoVolume(
            f"pixels are {_sides(usual)} mm in {usual.label} and {_sides(other)} in {other.label}"
        )
    each = np.array([one.directions for one in frames], dtype=np.float64)
    directions = each.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reach = float(np.linalg.norm(pixels * common))
    angles = np.linalg.norm(each - directions, axis=2).max(axis=1)
    worst = int(angles.argmax())
    if angles[worst] * reach > _PIXEL * common.min():
        other = max(frames, key=lambda one: turned(frames[worst], one))
        raise _NoVolume(
            f"{frames[worst].label} is turned by "
            f"{np.rad2deg(turned(frames[worst], other)):.3g} degrees against {other.label}"
        )
    corners = np.array([one.corner for one in frames])
    return corners, directions, (float(common[0]), float(common[1]))


def _numbers(frames: Sequence[Frame], heights: Vector) -> tuple[Vector, float]:
    """Return the index of each frame in an even volume, float64 (frames,), and the step."""
    gaps = np.diff(heights)
    alike = [np.count_nonzero(np.abs(gaps / gap - 1) <= _STEP) for gap in gaps]
    if max(alike) < _USUAL * len(gaps):
        near, far = int(gaps.argmin()), int(gaps.argmax())
        raise _NoVolume(
            f"slices lie {gaps[near]:.4g} mm ({_pair(frames, near)}) to {gaps[far]:.4g} mm "
            f"({_pair(frames, far)}) apart, with no usual step"
        )
    usual = float(min(gap for gap, count in zip(gaps, alike, strict=True) if count == max(alike)))
    step = float(np.median(gaps[np.abs(gaps / usual - 1) <= _STEP]))
    ratios = gaps / step
    if (np.abs(ratios - np.round(ratios)) > 2 * _STEP).any() or ratios.min() < 0.5:
        wrong = int(np.abs(ratios - np.round(ratios)).argmax())
        if ratios.min() < 0.5:
            wrong = int(ratios.argmin())
        raise _NoVolume(
            f"{_pair(frames, wrong)} lie {gaps[wrong]:.4g} mm apart, most others {step:.4g}"
        )
    numbers: Vector = np.concatenate([[0.0], np.cumsum(np.round(ratios))])
    if numbers[-1] + 1 > 2 * len(frames):
        far = int(gaps.argmax())
        raise _NoVolume(
            f"{_pair(frames, far)} lie {gaps[far]:.4g} mm apart, most others {step:.4g}: more "
            "slices are missing than there are"
        )
    return numbers, _slope(numbers, heights)


def _slope(numbers: Vector, heights: Vector) -> float:
    """Return the step of an even volume: the median over all pairs of slices (Theil-Sen).

    Jitter of some slices does not change it.
    """
    if len(numbers) > _MOST_PAIRED:
        return float(np.polyfit(numbers, heights, 1)[0])
    first, second = np.triu_indices(len(numbers), 1)
    return float(np.median((heights[second] - heights[first]) / (numbers[second] - numbers[first])))


def _line(
    frames: Sequence[Frame],
    numbers: Vector,
    corners: Vector,
    normal: Vector,
    step: float,
    spacing: tuple[float, float],
) -> tuple[Vector, Vector]:
    """Return the first corner and the step, mm, of the line through the corners."""
    way, start = np.polyfit(numbers, corners, 1)
    way = way + (step - way @ normal) * normal
    start = start + np.median((corners - start - numbers[:, None] * way) @ normal) * normal
    missed = corners - start - numbers[:, None] * way
    along = np.abs(missed @ normal)
    across = np.linalg.norm(missed - np.outer(missed @ normal, normal), axis=1)
    if along.max() > max(_STEP * step, _LEAST):
        raise _NoVolume(
            f"{frames[int(along.argmax())].label} lies {along.max():.3g} mm off even steps of "
            f"{step:.4g} mm"
        )
    if across.max() > max(_PIXEL * min(spacing), _LEAST):
        raise _NoVolume(
            f"{frames[int(across.argmax())].label} lies {across.max():.3g} mm beside the line "
            "of the others"
        )
    return start, way


def _single(frame: Frame, directions: Vector, spacing: tuple[float, float], source: str) -> Placed:
    if frame.thickness is None:
        return Placed(None, reason="one slice, and nothing says how thick it is")
    if "LOCALIZER" in frame.traits.get("ImageType", ""):
        return Placed(None, reason="a localizer shows its whole depth")
    assert frame.corner is not None
    way = np.cross(*directions) * frame.thickness
    volume = _volume(frame, directions, spacing, frame.corner, way, 1, source)
    if volume is None:
        return Placed(None, reason="positions and directions span no volume")
    reading = describe_slices(1, grid_of(picture_affine(volume)), frame.thickness)
    return Placed(volume, (0,), reading=reading)


def _volume(
    frame: Frame,
    directions: Vector,
    spacing: tuple[float, float],
    corner: Vector,
    way: Vector,
    count: int,
    source: str,
) -> Volume | None:
    affine = np.eye(4)
    affine[:3, 0] = directions[0] * spacing[1]
    affine[:3, 1] = directions[1] * spacing[0]
    affine[:3, 2] = way
    affine[:3, 3] = corner
    affine[:2] *= -1  # DICOM's left and posterior are NIfTI's -right and -anterior.
    rows = tuple(tuple(float(value) for value in row) for row in np.round(affine, 9))
    try:
        return Volume((frame.columns, frame.rows, count), 2, rows, source)
    except InputError:
        return None


def _gaps(frames: Sequence[Frame], numbers: Vector, step: float) -> list[str]:
    wide = [int(one) for one in np.flatnonzero(np.diff(numbers) > 1)]
    if not wide:
        return []
    missing = int(numbers[-1]) + 1 - len(frames)
    pairs = [_pair(frames, one) for one in wide]
    apart = float(numbers[wide[0] + 1] - numbers[wide[0]]) * step
    count = "1 slice is" if missing == 1 else f"{missing} slices are"
    return [
        f"{count} missing: {name_a_few(pairs).replace(chr(39), '')} lie {apart:.4g} mm apart, "
        f"the others {step:.4g}; the gap stays empty"
    ]


def _pair(frames: Sequence[Frame], index: int) -> str:
    return f"{frames[index].label} and {frames[index + 1].label}"


def _sides(frame: Frame) -> str:
    assert frame.spacing is not None
    return f"{frame.spacing[0]:.7g} x {frame.spacing[1]:.7g}"
