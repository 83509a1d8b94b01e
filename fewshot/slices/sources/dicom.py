"""DICOM files: one, or a folder of them, grouped into series and sorted by position."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.display import OwnWindow, series_window
from fewshot.slices.found import begins_as_dicom, is_hidden
from fewshot.slices.images import in_slice_order
from fewshot.slices.limits import check_slice_count
from fewshot.slices.sources.source import Skipped, SourceSlice
from fewshot.slices.volume import Volume, slice_position, slice_spacing, upright
from fewshot.slices.window import Window

_SUFFIXES = (".dcm", ".dicom", ".ima")
# Steps between slices may differ by rounding; more than this makes a stack, not a volume.
_STEP_TOLERANCE = 0.02


def is_dicom(path: Path) -> bool:
    """Return whether the path is a DICOM file, or a folder with one in it, however deep."""
    if path.is_dir():
        return any(
            is_dicom(one) for one in path.rglob("*") if one.is_file() and not is_hidden(one, path)
        )
    return path.suffix.lower() in _SUFFIXES or begins_as_dicom(path)


@dataclass(frozen=True, eq=False)
class _Frame:
    """What tells one frame's place: `corner` and `directions` in the patient's LPS mm."""

    path: Path
    frame: int
    series: tuple[Any, ...]
    patient: str
    number: int
    rows: int
    columns: int
    spacing: tuple[float, float] | None
    corner: NDArray[np.float64] | None
    directions: NDArray[np.float64] | None  # (2, 3): along a row, down a column
    display: OwnWindow | str | None = None  # how the file wants it shown

    @property
    def height(self) -> float | None:
        """Return how far along the normal the frame lies, in mm."""
        if self.corner is None or self.directions is None:
            return None
        return float(np.cross(*self.directions) @ self.corner)


class DicomSeries:
    """The slices of DICOM files; a patient is a group, a regular series a volume."""

    form = "DICOM"
    ready = False

    def __init__(self, path: Path, skip_bad: bool = False) -> None:
        self.path = path
        self.volumes: dict[str, Volume] = {}
        self.skipped: list[Skipped] = []
        self._own_window = lru_cache(self._one_window)
        self._displays: dict[str, list[OwnWindow | str | None]] = {}
        slices: list[SourceSlice] = []
        for name, frames in self._series(skip_bad).items():
            slices += self._stack(name, frames)
        self.slices: Sequence[SourceSlice] = slices
        if not slices and not self.skipped:
            raise InputError(f"{path}: no DICOM image in it; give files with pixels")

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the intensities after the modality LUT (HU for CT), upright."""
        from fewshot.slices.sources.dicom_pixels import read_frame

        path, frame, _ = item.key
        return self._upright(read_frame(path, frame)[0], item)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return a slice through the window, else through the file's VOI LUT or window."""
        from fewshot.slices.sources.dicom_pixels import shown

        path, frame, series = item.key
        own = None if window is not None else self._own_window(series)
        grey = shown(path, frame, window, own)
        return None if grey is None else self._upright(grey, item)

    def _one_window(self, series: str) -> OwnWindow | None:
        return series_window(series, self._displays[series])

    def _upright(self, picture: NDArray[Any], item: SourceSlice) -> NDArray[Any]:
        if item.volume is None:
            return picture
        return upright(picture.T, 2, self.volumes[item.volume].affine)

    def _series(self, skip_bad: bool) -> dict[str, list[_Frame]]:
        """Return the frames by a name for their series, in the order of the files."""
        series: dict[tuple[Any, ...], list[_Frame]] = {}
        for file in _files(self.path):
            try:
                frames = _frames(file)
            except InputError as error:
                if not skip_bad:
                    raise
                self.skipped.append(Skipped(str(error)))
                continue
            for frame in frames:
                series.setdefault(frame.series, []).append(frame)
        named: dict[str, list[_Frame]] = {}
        for frames in series.values():
            wanted = _plain(f"{frames[0].patient or 'patient'}_{len(named) + 1}")
            named[wanted] = frames
        return named

    def _stack(self, name: str, frames: list[_Frame]) -> list[SourceSlice]:
        ordered = _in_order(frames)
        self._displays[name] = [one.display for one in ordered]
        volume = _volume(name, ordered, self.path)
        if volume is not None:
            self.volumes[name] = volume
        return [
            SourceSlice(
                name=f"{name}_{index:04d}.png",
                where=f"{one.path}" + (f": frame {one.frame}" if one.frame else ""),
                key=(one.path, one.frame, name),
                group=_plain(one.patient) or name,
                volume=name if volume else None,
                index=index if volume else None,
                spacing=slice_spacing(2, volume.affine) if volume else one.spacing,
                position=slice_position(2, index, volume.affine) if volume else one.height,
            )
            for index, one in enumerate(ordered)
        ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = {
        str(one): one
        for one in path.rglob("*")
        if one.is_file() and not is_hidden(one, path) and is_dicom(one)
    }
    return [found[name] for name in in_slice_order(found) if found[name].name != "DICOMDIR"]


def _frames(path: Path) -> list[_Frame]:
    """Return a file's frames, none for objects without pixels such as reports and contours."""
    from fewshot.slices.sources.dicom_pixels import own_display, read_header, unreadable

    header = read_header(path)
    if "Rows" not in header or "Columns" not in header:
        if "SOPClassUID" in header:
            return []
        raise InputError(f"{path}: cannot be read as DICOM (no size of an image in it)")
    try:
        count = int(header.get("NumberOfFrames") or 1)
        if count < 1:
            raise ValueError(f"NumberOfFrames is {count}")
        check_slice_count(count, path.stat().st_size, str(path))
        return [
            replace(_frame(path, header, frame), display=own_display(header, frame))
            for frame in range(count)
        ]
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def _frame(path: Path, header: Any, frame: int) -> _Frame:
    orientation = _numbers(_element(header, frame, "ImageOrientationPatient"), 6)
    spacing = _numbers(
        _element(header, frame, "PixelSpacing") or header.get("ImagerPixelSpacing"), 2
    )
    several = int(header.get("NumberOfFrames") or 1) > 1
    corner = None
    if not several or "PerFrameFunctionalGroupsSequence" in header:
        corner = _numbers(_element(header, frame, "ImagePositionPatient"), 3)
    directions = None if orientation is None else _directions(orientation)
    rounded = () if directions is None else tuple(np.round(directions, 3).ravel().tolist())
    rows, columns = int(header.Rows), int(header.Columns)
    return _Frame(
        path=path,
        frame=frame,
        series=(str(header.get("SeriesInstanceUID") or path.parent), rows, columns, rounded),
        patient=str(header.get("PatientID") or ""),
        number=int(header.get("InstanceNumber") or 0),
        rows=rows,
        columns=columns,
        spacing=(spacing[0], spacing[1]) if spacing is not None and min(spacing) > 0 else None,
        corner=corner,
        directions=directions,
    )


def _element(header: Any, frame: int, name: str) -> Any:
    """Return an element of a frame: its own, the shared one, or the file's."""
    macro = {
        "ImageOrientationPatient": "PlaneOrientationSequence",
        "ImagePositionPatient": "PlanePositionSequence",
        "PixelSpacing": "PixelMeasuresSequence",
    }[name]
    own = (header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    shared = (header.get("SharedFunctionalGroupsSequence") or [])[:1]
    for group in [*own, *shared]:
        for item in group.get(macro) or []:
            if name in item:
                return item.get(name)
    return header.get(name)


def _numbers(value: Any, count: int) -> NDArray[np.float64] | None:
    if value is None or isinstance(value, str | float | int) or len(value) != count:
        return None
    numbers = np.array([float(one) for one in value])
    return numbers if (np.abs(numbers) < 1e6).all() else None


def _directions(orientation: NDArray[np.float64]) -> NDArray[np.float64] | None:
    directions = orientation.reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if (lengths < 0.5).any():
        return None
    unit: NDArray[np.float64] = directions / lengths
    return unit if abs(float(unit[0] @ unit[1])) < 0.01 else None


def _in_order(frames: Iterable[_Frame]) -> list[_Frame]:
    """Return frames by position along the normal, else by instance number; files in their order."""
    given = list(frames)
    if all(one.height is not None for one in given):
        return sorted(given, key=lambda one: (round(one.height or 0, 3), one.number, one.frame))
    return sorted(given, key=lambda one: (one.number, one.frame))


def _volume(name: str, frames: Sequence[_Frame], source: Path) -> Volume | None:
    """Return the volume that sorted frames fill at even steps, or None where they do not."""
    first, last = frames[0], frames[-1]
    if any(one.corner is None or one.directions is None for one in frames):
        return None
    if first.spacing is None or any(one.spacing != first.spacing for one in frames):
        return None
    corners = np.array([one.corner for one in frames])
    assert first.directions is not None
    normal = np.cross(*first.directions)
    step = (corners[-1] - corners[0]) / (len(frames) - 1) if last is not first else normal
    even = corners[0] + np.arange(len(frames))[:, None] * step
    length = np.linalg.norm(step)
    if length < 1e-3 or np.abs(corners - even).max() > max(_STEP_TOLERANCE * length, 0.01):
        return None
    row, column = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = first.directions[0] * column
    affine[:3, 1] = first.directions[1] * row
    affine[:3, 2] = step
    affine[:3, 3] = corners[0]
    affine[:2] *= -1  # DICOM's left and posterior are NIfTI's minus right and minus anterior.
    shape = (first.columns, first.rows, len(frames))
    try:
        return Volume(
            shape, 2, tuple(tuple(map(float, one)) for one in affine), source.name or name
        )
    except InputError:
        return None


def _plain(text: str) -> str:
    """Return text as a file name: letters, digits, points, dashes."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:80]
