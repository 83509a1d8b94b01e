"""The pixels of a DICOM file: decoded, in their units, and as displayed."""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import RLELossless

from fewshot.errors import InputError
from fewshot.slices.display import OwnWindow, full_range, luminance
from fewshot.slices.limits import check_slice
from fewshot.slices.sources.dicom_process import decode_apart
from fewshot.slices.window import Window, apply_window

_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")
# Start-of-frame markers of JPEG and of JPEG-LS.
_FRAME_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def read_header(path: Path) -> Dataset:
    """Return a file's elements up to the pixels; `InputError` naming it if that fails."""
    try:
        with quiet():
            _refuse_deflated(path)
            return dcmread(path, stop_before_pixels=True, force=True)
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def read_frame(path: Path, frame: int) -> tuple[NDArray[Any], Dataset]:
    """Return a frame in the units of the file (HU for CT), shape (height, width), and its elements.

    Colour becomes its luminance. Raises `InputError` naming the file.
    """
    try:
        with quiet():
            dataset = _header(path)
            rows, columns = int(dataset.Rows), int(dataset.Columns)
            depth = -(-int(dataset.BitsAllocated) // 8) * int(dataset.SamplesPerPixel)
            check_slice(rows, columns, depth, path.stat().st_size, str(path))
            _check_coded_size(path, frame, rows, columns)
            pixels = _decoded(path, frame, dataset)
            elements = _of_frame(dataset, frame)
            grey = _units(pixels, elements)
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
    if grey.shape != (rows, columns):
        raise InputError(f"{path}: holds pixels of shape {grey.shape}, not {rows} x {columns}")
    return grey, elements


def shown(
    path: Path, frame: int, window: Window | None, own: OwnWindow | None = None
) -> NDArray[np.uint8] | None:
    """Return a frame as 8-bit grey: through `window`, or else `own`, or else as the file says.

    MONOCHROME1 and inverse presentations are inverted so that high values are bright. None if the
    file does not say; plain 8-bit pixels and colours need no window.
    """
    values, elements = read_frame(path, frame)
    try:
        with quiet(), np.errstate(all="ignore"):
            if window is not None:
                grey: NDArray[np.uint8] | None = apply_window(values, window)
            else:
                grey = own.apply(values) if own is not None else _own_way(values, elements)
    except Exception as error:
        raise unreadable(path, error) from error
    inverted = elements.get("PhotometricInterpretation") == "MONOCHROME1"
    if inverted or elements.get("PresentationLUTShape") == "INVERSE":
        return None if grey is None else 255 - grey
    return grey


def own_display(header: Dataset, frame: int) -> OwnWindow | str | None:
    """Return how a file wants a frame displayed: its window, or a key of its VOI LUT.

    None if it does not say, and for colours.
    """
    if int(header.get("SamplesPerPixel") or 1) > 1 or "PALETTE" in str(_photometric(header)):
        return None
    elements = _of_frame(header, frame) if "SharedFunctionalGroupsSequence" in header else header
    table = elements.get("VOILUTSequence")
    if table:
        return f"VOI LUT {hash(table[0].to_json(suppress_invalid_tags=True))}"
    return _own_window(elements)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's messages on odd but readable files."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for a failure of the decoders."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path}: cannot be read as DICOM ({reason})")


def _header(path: Path) -> Dataset:
    status = path.stat()
    return _header_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _header_of(path: Path, changed: int, size: int) -> Dataset:
    return dcmread(path, stop_before_pixels=True, force=True)


def _refuse_deflated(path: Path) -> None:
    """Refuse files that pydicom would inflate at once, detected in the same way."""
    with path.open("rb") as file:
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") in _DEFLATED:
        raise InputError(f"{path}: is deflated as a whole; undo that with dcmconv or gdcmconv")


def _syntax(dataset: Dataset) -> Any:
    meta = getattr(dataset, "file_meta", None)
    return meta.get("TransferSyntaxUID") if meta else None


def _decoded(path: Path, frame: int, dataset: Dataset) -> NDArray[Any]:
    syntax = _syntax(dataset)
    if syntax is None or not syntax.is_compressed:
        return pixel_array(path, index=frame)
    # Not the fast decoder of RLE (pylibjpeg-rle), which panics on bad bytes.
    plugin = "pydicom" if syntax == RLELossless else ""
    return decode_apart(path, frame, plugin)


def _check_coded_size(path: Path, frame: int, rows: int, columns: int) -> None:
    """Refuse a compressed frame with another size in its own header, before decoding."""
    syntax = _syntax(_header(path))
    if syntax is None or not syntax.is_compressed:
        return
    dataset = dcmread(path, specific_tags=["PixelData", "NumberOfFrames"])
    count = int(dataset.get("NumberOfFrames") or 1)
    coded = coded_size(get_frame(dataset.PixelData, frame, number_of_frames=count))
    if coded not in (None, (rows, columns)):
        raise InputError(f"{path}: its pixels are coded as {coded}, not {rows} x {columns}")


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Return (height, width) from the header of a JPEG, JPEG-LS or JPEG 2000 image, or None."""
    siz = data.find(b"\xff\x4f\xff\x51")
    if siz >= 0:
        width, height, left, top = struct.unpack_from(">IIII", data, siz + 8)
        return height - top, width - left
    if not data.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAME_STARTS:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return height, width
        place += 2 + length if marker != 0xFF else 1
    return None


def _of_frame(dataset: Dataset, frame: int) -> Dataset:
    """Return the elements of one frame of an enhanced multi-frame file."""
    elements = Dataset()
    elements.update(dataset)
    groups = dataset.get("SharedFunctionalGroupsSequence") or []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in [*groups[:1], *per_frame[frame : frame + 1]]:
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in group.get(name) or []:
                elements.update(item)
    return elements


def _photometric(elements: Dataset) -> Any:
    return elements.get("PhotometricInterpretation")


def _units(pixels: NDArray[Any], elements: Dataset) -> NDArray[Any]:
    if _photometric(elements) == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, elements)
    return luminance(pixels) if pixels.ndim == 3 else apply_modality_lut(pixels, elements)


def _own_way(values: NDArray[Any], elements: Dataset) -> NDArray[np.uint8] | None:
    colour = int(elements.get("SamplesPerPixel") or 1) > 1
    if colour or _photometric(elements) == "PALETTE COLOR":
        bits = int(elements.BitsStored) if colour else 16
        return values if values.dtype == np.uint8 else full_range(values, bits)
    if elements.get("VOILUTSequence"):
        bits = int(elements.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(values.astype(np.int64), elements).astype(np.float64)
        return full_range(looked_up, bits)
    own = _own_window(elements)
    if own is not None:
        return own.apply(values)
    if values.dtype != np.uint8:
        return None
    bits = int(elements.get("BitsStored") or 8)
    return values if bits == 8 else full_range(values, bits)


def _own_window(elements: Dataset) -> OwnWindow | None:
    try:
        centre, width = _first(elements, "WindowCenter"), _first(elements, "WindowWidth")
    except (TypeError, ValueError):
        return None
    function = str(elements.get("VOILUTFunction") or "LINEAR").upper()
    known = function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    if centre is None or width is None or width <= 0 or (known == "LINEAR" and width < 1):
        return None
    return OwnWindow(centre, width, known)  # type: ignore[arg-type]


def _first(elements: Dataset, name: str) -> float | None:
    value = elements.get(name)
    if value is None or value == "":
        return None
    first = float(
        value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value
    )
    return first if np.isfinite(first) else None
