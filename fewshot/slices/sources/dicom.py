"""DICOM files, one or a folder, sorted by acquisition and position."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.display import OwnWindow, series_window
from fewshot.slices.found import begins_as_dicom, is_hidden
from fewshot.slices.images import in_slice_order, name_a_few
from fewshot.slices.remarks import remark
from fewshot.slices.sources.dicom_acquisitions import Acquisition, acquisitions
from fewshot.slices.sources.dicom_frame import Frame, read_frames
from fewshot.slices.sources.dicom_volume import Placed, place
from fewshot.slices.sources.source import Skipped, SourceSlice
from fewshot.slices.volume import Volume, slice_position, slice_spacing, upright
from fewshot.slices.window import Window

_SUFFIXES = (".dcm", ".dicom", ".ima")
_MOST_SAID = 5  # lines of one kind: acquisitions without a volume, copies
_LONGEST = 80  # letters of a name
# Placeholders for a PatientID that was removed.
_NOBODY = re.compile(
    r"(?:anon\w*|unknown|none|n/?a|patient|removed|de-?identified|[x*-]+|00+)", re.I
)


def is_dicom(path: Path) -> bool:
    """Return whether the path is a DICOM file, or a folder containing one at any depth."""
    if path.is_dir():
        return any(
            is_dicom(one) for one in path.rglob("*") if one.is_file() and not is_hidden(one, path)
        )
    return path.suffix.lower() in _SUFFIXES or begins_as_dicom(path)


class DicomSeries:
    """The slices of DICOM files; patients are groups, evenly spaced acquisitions volumes."""

    form = "DICOM"
    ready = False

    def __init__(self, path: Path, skip_bad: bool = False) -> None:
        self.path = path
        self.volumes: dict[str, Volume] = {}
        self.skipped: list[Skipped] = []
        self._notes: list[str] = []
        self._warnings: list[str] = []
        self._without: list[str] = []
        self._own_window = lru_cache(self._one_window)
        self._displays: dict[str, list[OwnWindow | str | None]] = {}
        frames = self._frames(skip_bad)
        found = acquisitions(frames)
        for error in found.errors:
            if not skip_bad:
                raise error
            self.skipped.append(Skipped(str(error)))
        self._warnings += _copies(found.repeated)
        owners, told = _owners([one.frames[0] for one in found.acquisitions], path)
        if owners:
            self._notes.append(told)
        several = Counter(owners)
        firsts = (one.frames[0] for one in found.acquisitions)
        self.patients = {  # name in file names → identifier in the header
            owner: one.patient for owner, one in zip(owners, firsts, strict=True) if one.patient
        }
        slices: list[SourceSlice] = []
        for number, (own, owner) in enumerate(zip(found.acquisitions, owners, strict=True), 1):
            name = f"{owner or 'patient'}_{number}"
            slices += self._stack(name, owner or name, own, alone=several[owner] == 1)
        self.slices: Sequence[SourceSlice] = slices
        self.notes: Sequence[str] = self._notes
        more = len(self._without) - _MOST_SAID
        rest = [f"{more} more acquisitions are no volumes"] if more > 0 else []
        self.warnings: Sequence[str] = [*self._warnings, *self._without[:_MOST_SAID], *rest]
        if not slices and not self.skipped:
            raise InputError(f"{path}: no DICOM image in it; give files with pixels")

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return the intensities after the modality LUT (HU for CT), upright."""
        from fewshot.slices.sources.dicom_pixels import read_frame

        path, frame, _ = item.key
        return self._upright(read_frame(path, frame)[0], item)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return a slice through the window, or else the VOI LUT or window of the file."""
        from fewshot.slices.sources.dicom_pixels import shown

        path, frame, series = item.key
        own = None if window is not None else self._own_window(series)
        grey = shown(path, frame, window, own)
        return None if grey is None else self._upright(grey, item)

    def _one_window(self, series: str) -> OwnWindow | None:
        if len({one for displays in self._displays.values() for one in displays[:1]}) > 1:
            remark(
                "series are shown by windows of their own, so that equal values are not equally"
                " bright in all; --window gives one",
                series,
            )
        return series_window(series, self._displays[series])

    def _upright(self, picture: NDArray[Any], item: SourceSlice) -> NDArray[Any]:
        if item.volume is None:
            return picture
        return upright(picture.T, 2, self.volumes[item.volume].affine)

    def _frames(self, skip_bad: bool) -> list[Frame]:
        """Return the frames of all files in order, and say how many files have none."""
        frames: list[Frame] = []
        empty: list[str] = []
        files = _files(self.path)
        for file in files:
            try:
                own = read_frames(file)
            except InputError as error:
                if not skip_bad:
                    raise
                self.skipped.append(Skipped(str(error)))
                continue
            frames += own
            if not own:
                empty.append(file.name)
        if empty:
            self._notes.append(
                f"{self.path}: {len(empty)} of {len(files)} DICOM files hold no pictures "
                f"({name_a_few(empty)})"
            )
        return frames

    def _stack(
        self, name: str, group: str, found: Acquisition, *, alone: bool
    ) -> list[SourceSlice]:
        """Return the slices of an acquisition; `alone`: it is the only one of its patient."""
        frames = found.frames
        self._displays[name] = [one.display for one in frames]
        placed = place(frames, self.path.name or name)
        self._say(name, found, placed)
        volume = placed.volume
        if volume is not None:
            self.volumes[name] = volume
        return [
            SourceSlice(
                name=f"{name}_{index:04d}.png",
                where=f"{one.path}" + (f": frame {one.frame}" if one.frame else ""),
                key=(one.path, one.frame, name),
                group=group,
                volume=name if volume else None,
                index=index if volume else None,
                spacing=slice_spacing(2, volume.affine) if volume else one.spacing,
                position=slice_position(2, index, volume.affine)
                if volume
                # Positions of two acquisitions of one patient would be taken for one stack.
                else one.height
                if alone
                else None,
                file=one.path,
            )
            for one, index in zip(frames, placed.indices or range(len(frames)), strict=True)
        ]

    def _say(self, name: str, found: Acquisition, placed: Placed) -> None:
        apart = f"told apart by {', '.join(found.told_by)}" if found.told_by else ""
        known = [one for one in (found.frames[0].kind, apart) if one]
        about = f" ({'; '.join(known)})" if known else ""
        if placed.volume is None:
            count = len(found.frames)
            slices = "1 slice" if count == 1 else f"{count} slices"
            self._without.append(f"{name}: {slices}, no volume: {placed.reason}{about}")
            return
        self._notes.append(f"{name}: {placed.reading}{about}")
        self._warnings += [f"{name}: {line}" for line in placed.warnings]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = {
        str(one): one
        for one in path.rglob("*")
        if one.is_file() and not is_hidden(one, path) and is_dicom(one)
    }
    return [found[name] for name in in_slice_order(found) if found[name].name != "DICOMDIR"]


def _copies(repeated: Sequence[tuple[Frame, Frame]]) -> list[str]:
    if len(repeated) > _MOST_SAID:
        names = name_a_few([str(one.path) for one, _ in repeated])
        return [f"passed over: {len(repeated)} files hold slices that others hold: {names}"]
    return [
        f"passed over: {one.path} holds the slice of {first.path} again" for one, first in repeated
    ]


def _owners(firsts: Sequence[Frame], root: Path) -> tuple[list[str], str]:
    """Return a unique name for the patient of each acquisition, and how patients were told apart.

    The name is empty if the patient is unknown.
    Without a meaningful PatientID, the folders below `root` are patients if there are several,
    otherwise the studies.
    """
    folders = {_folder(one, root) for one in firsts}
    known = [_owner(one, root, by_folder=len(folders - {""}) > 1) for one in firsts]
    named: dict[str, str] = {}
    for one, (_, owner) in zip(firsts, known, strict=True):
        if owner in named or not owner:
            continue
        wanted = _plain(one.patient)[: _LONGEST - 4] if _is_id(one.patient) else ""
        name, count = wanted or "patient", 1
        while name in named.values():
            count += 1
            name = f"{wanted or 'patient'}-{count}"
        named[owner] = name
    ways = " and ".join(dict.fromkeys(way for way, _ in known))
    count = len(named) + sum(not owner for _, owner in known)
    patients = "1 patient" if count == 1 else f"{count} patients"
    return [named.get(owner, "") for _, owner in known], f"{patients}, told by {ways}"


def _owner(frame: Frame, root: Path, *, by_folder: bool) -> tuple[str, str]:
    """Return the kind of identifier of a frame's patient, and the identifier."""
    if _is_id(frame.patient):
        return "PatientID", f"id {frame.patient}"
    if by_folder and (folder := _folder(frame, root)):
        return "folder, for PatientID is empty", f"folder {folder}"
    if frame.study:
        return "study, for PatientID is empty", f"study {frame.study}"
    return "series, for PatientID is empty", ""


def _is_id(patient: str) -> bool:
    """Return whether a PatientID may distinguish patients."""
    return bool(patient) and _NOBODY.fullmatch(patient) is None


def _folder(frame: Frame, root: Path) -> str:
    """Return the folder of a file relative to `root`; empty for `root` itself."""
    if not frame.path.is_relative_to(root):
        return ""
    parts = frame.path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def _plain(text: str) -> str:
    """Return text as a file name: letters, digits, points, dashes."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:_LONGEST]
