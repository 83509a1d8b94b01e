"""The header of a DICOM file for each of its frames: patient, series, position."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.display import OwnWindow
from fewshot.slices.limits import check_slice_count

Vector = NDArray[np.float64]

# Elements that never differ within a volume: contrast, time or study.
CONTRASTS = (
    *("StudyInstanceUID", "ImageType", "FrameType", "EchoTime", "EffectiveEchoTime"),
    *("InversionTime", "TemporalPositionIdentifier", "TemporalPositionIndex", "DiffusionBValue"),
    *("ConvolutionKernel", "StackID", "EchoNumbers"),
)
# Elements that distinguish acquisitions with slices at the same position, in this order.
ACQUISITIONS = (
    *("AcquisitionNumber", "FrameAcquisitionNumber", "FlipAngle", "RepetitionTime"),
    *("TriggerTime", "NominalCardiacTriggerDelayTime", "DiffusionGradientOrientation"),
    *("AcquisitionTime", "ContentTime"),
)
_NO_PICTURES = ("SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "REG")
_MACROS = {
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "StackID": "FrameContentSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
}


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a DICOM file.

    Attributes:
        path: the file.
        frame: its number there, from 0.
        uid: its SOPInstanceUID.
        series: its SeriesInstanceUID, or else its folder.
        study: its StudyInstanceUID.
        patient: its PatientID.
        number: its InstanceNumber.
        rows: height in pixels.
        columns: width in pixels.
        spacing: size of a pixel in mm (row, column).
        thickness: of a single slice in mm: SliceThickness or SpacingBetweenSlices.
        corner: centre of its first pixel in mm: left, posterior, superior.
        directions: unit vectors (2, 3): along a row, down a column.
        traits: elements that distinguish acquisitions, as text.
        kind: modality and series number, for messages.
        display: how the file wants it displayed.
    """

    path: Path
    frame: int
    uid: str
    series: str
    study: str
    patient: str
    number: int
    rows: int
    columns: int
    spacing: tuple[float, float] | None
    thickness: float | None
    corner: Vector | None
    directions: Vector | None
    traits: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    display: OwnWindow | str | None = None

    @property
    def label(self) -> str:
        """Return the name of the frame in messages: its file, and its number from the second on."""
        return f"{self.path.name} frame {self.frame}" if self.frame else self.path.name

    @property
    def height(self) -> float | None:
        """Return the position of the frame along its normal, in mm."""
        if self.corner is None or self.directions is None:
            return None
        return float(np.cross(*self.directions) @ self.corner)


def read_frames(path: Path) -> list[Frame]:
    """Return a file's frames; none for reports, contours and masks.

    Raises `InputError` naming the file.
    """
    from fewshot.slices.sources.dicom_pixels import own_display, quiet, read_header, unreadable

    header = read_header(path)
    if header.get("Modality") in _NO_PICTURES:
        return []
    if "Rows" not in header or "Columns" not in header:
        if "SOPClassUID" in header:
            return []
        raise InputError(f"{path}: cannot be read as DICOM (no size of an image in it)")
    try:
        count = int(header.get("NumberOfFrames") or 1)
        if count < 1:
            raise ValueError(f"NumberOfFrames is {count}")
        check_slice_count(count, path.stat().st_size, str(path))
        with quiet():
            return [
                replace(_frame(path, header, frame), display=own_display(header, frame))
                for frame in range(count)
            ]
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def _frame(path: Path, header: Any, frame: int) -> Frame:
    orientation = _numbers(_element(header, frame, "ImageOrientationPatient"), 6)
    spacing = _numbers(
        _element(header, frame, "PixelSpacing") or header.get("ImagerPixelSpacing"), 2
    )
    several = int(header.get("NumberOfFrames") or 1) > 1
    corner = None
    if not several or "PerFrameFunctionalGroupsSequence" in header:
        corner = _numbers(_element(header, frame, "ImagePositionPatient"), 3)
    traits = {}
    for name in (*CONTRASTS, *ACQUISITIONS):
        value = _element(header, frame, name)
        if value is not None and str(value):
            traits[name] = _text(value)
    modality, series_number = (str(header.get(one) or "") for one in ("Modality", "SeriesNumber"))
    return Frame(
        path=path,
        frame=frame,
        uid=str(header.get("SOPInstanceUID") or ""),
        series=str(header.get("SeriesInstanceUID") or path.parent),
        study=str(header.get("StudyInstanceUID") or ""),
        patient=str(header.get("PatientID") or "").strip(),
        number=int(header.get("InstanceNumber") or 0),
        rows=int(header.Rows),
        columns=int(header.Columns),
        spacing=(float(spacing[0]), float(spacing[1]))
        if spacing is not None and min(spacing) > 0
        else None,
        thickness=_thickness(header, frame),
        corner=corner,
        directions=None if orientation is None else _directions(orientation),
        traits=traits,
        kind=f"{modality} series {series_number}".strip() if series_number else modality,
    )


def _element(header: Any, frame: int, name: str) -> Any:
    """Return an element of a frame: its own, the shared one, or that of the file."""
    macro = _MACROS.get(name)
    if macro is not None:
        own = (header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
        shared = (header.get("SharedFunctionalGroupsSequence") or [])[:1]
        for group in [*own, *shared]:
            for item in group.get(macro) or []:
                if name in item:
                    return item.get(name)
    return header.get(name)


def _text(value: Any) -> str:
    """Return an element as text, with numbers rounded."""
    if isinstance(value, str):
        return value
    parts = list(value) if hasattr(value, "__iter__") else [value]
    shown = []
    for part in parts:
        try:
            shown.append(f"{float(part):.4g}")
        except (TypeError, ValueError):
            shown.append(str(part))
    return "\\".join(shown)


def _thickness(header: Any, frame: int) -> float | None:
    for name in ("SliceThickness", "SpacingBetweenSlices"):
        try:
            found = abs(float(_element(header, frame, name) or 0))
        except (TypeError, ValueError):
            continue
        if 0 < found < 1e6:
            return found
    return None


def _numbers(value: Any, count: int) -> Vector | None:
    if value is None or isinstance(value, str | float | int) or len(value) != count:
        return None
    numbers = np.array([float(one) for one in value])
    return numbers if (np.abs(numbers) < 1e6).all() else None


def _directions(orientation: Vector) -> Vector | None:
    directions = orientation.reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if (lengths < 0.5).any():
        return None
    unit: Vector = directions / lengths
    return unit if abs(float(unit[0] @ unit[1])) < 0.01 else None
