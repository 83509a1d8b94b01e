"""`fewshot annotations extract`: from screen captures to images, masks and COCO."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.captures.colour import COLOURS, ColourRange, Rgb, find_line
from fewshot.captures.frame import Frame, find_frame
from fewshot.captures.regions import enclosed_regions
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.folders import filled_folder
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import progress, say, warn
from fewshot.slices.arrays import LabelMap, Mask
from fewshot.slices.images import (
    image_stem,
    list_images,
    name_a_few,
    read_colour,
    read_image,
    write_image,
)
from fewshot.slices.numbering import Numbering, number_slices
from fewshot.slices.sequence import Spacing, sequence_volume

_SAMPLED = 12  # captures used to find the frame


@dataclass(frozen=True)
class ExtractRequest:
    """What is extracted, and how.

    Attributes:
        captures: folder of screen captures with outlines.
        originals: folder of the same captures without outlines, by name; otherwise the lines are
            inpainted.
        colour: of the outlines.
        frame: of the image in a capture; None to find it.
        size: longer side of the written images in pixels; None to keep it.
        max_gap: largest gap that is closed, as a fraction of the frame's shorter side.
        min_area: smallest region, in pixels of the capture.
        spacing: of the capture's pixels and between captures, mm, if known.
        keep_line: leave the outlines in the images.
    """

    captures: Path
    originals: Path | None = None
    colour: ColourRange = COLOURS["blue"]
    frame: Frame | None = None
    size: int | None = None
    max_gap: float = 0.25
    min_area: int = 64
    spacing: Spacing | None = None
    keep_line: bool = False


def extract(request: ExtractRequest, out: Path, overwrite: bool = False) -> dict[str, Any]:
    """Write `images/`, `masks/`, `annotations.json` (COCO), `captures.json` and `check.png`.

    All or nothing. Captures without a closed outline have no mask, and are named in a warning.
    Returns a summary.
    Raises `InputError` naming a capture that cannot be read or has another size than the others.
    """
    files = list_images(request.captures)
    frame = request.frame or _frame_of(files)
    with filled_folder(out, overwrite) as folder:
        pictures, found = _pictures(request, files, frame, folder)
        names = [f"{image_stem(file.name)}.png" for file in files]
        numbers = number_slices(names, request.spacing[2]) if request.spacing else None
        records, masks = [], {}
        for index, (name, labels) in enumerate(zip(names, pictures, strict=True)):
            records.append(_record(index, name, labels, numbers, request, found[index]["scale"]))
            if labels.any():
                masks[index] = SliceMasks.from_label_map(index, labels)
        slices = _set(folder / "images", records, masks, request, numbers)
        from fewshot.drawing.contact_sheet import write_contact_sheet

        # Without the volume: captures do not tell the sides of the patient.
        plain = tuple(replace(one, volume=None, index=None) for one in slices.records)
        sheet = SliceSet(slices.images, plain, slices.masks)
        write_contact_sheet(folder / "check.png", {"captures": sheet})
        # Where the images will be once the folder is complete.
        moved = SliceSet(out / "images", slices.records, slices.masks, slices.volumes)
        write_coco(folder / "annotations.json", moved, "outlines of screen captures")
        write_json(folder / "captures.json", {"frame": asdict(frame), "captures": found})
    _say(request, numbers, found, out)
    return {
        "folder": str(out),
        "captures": len(files),
        "outlined": len(masks),
        "regions": sum(len(one) for one in masks.values()),
        "frame": asdict(frame),
        "without_outline": [one["capture"] for one in found if not one["regions"]],
        "open": [one["capture"] for one in found if one["open_ends"]],
    }


def extract_one(
    capture: Rgb, original: NDArray[np.uint8] | None, request: ExtractRequest
) -> tuple[NDArray[np.uint8], LabelMap, dict[str, Any]]:
    """Return the image, its regions and what was found, of the frame of one capture.

    `capture` is uint8 (height, width, 3), `original` the same without outlines, in grey. The image
    is uint8, the regions uint16, both of the requested size.
    """
    line = find_line(capture, request.colour)
    regions = enclosed_regions(line, request.max_gap * min(line.shape), request.min_area)
    if original is not None:
        grey = original
    else:
        plain = capture if request.keep_line else _painted_over(capture, line)
        grey = np.asarray(cv2.cvtColor(plain, cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = line.shape
    scale = 1.0 if request.size is None else request.size / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    note = {
        "line_pixels": int(line.sum()),
        "regions": int(regions.labels.max()),
        "closed_gaps": list(regions.closed),
        "open_ends": regions.open_ends,
        "scale": [size[0] / height, size[1] / width],
    }
    return _resized(grey, size), _resized_regions(regions.labels, size), note


def _pictures(
    request: ExtractRequest, files: Sequence[Path], frame: Frame, folder: Path
) -> tuple[list[LabelMap], list[dict[str, Any]]]:
    """Write images and masks; return the regions and findings of each capture."""
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    originals = _originals(request)
    labels, found = [], []
    with progress("captures", len(files)) as advance:
        for done, file in enumerate(files, start=1):
            capture = read_colour(file)
            if frame.bottom > capture.shape[0] or frame.right > capture.shape[1]:
                raise InputError(
                    f"{file}: is {capture.shape[0]} x {capture.shape[1]}, too small for the frame "
                    f"of rows {frame.top}-{frame.bottom} and columns {frame.left}-{frame.right}"
                )
            clean = _original(originals, file, capture)
            name = f"{image_stem(file.name)}.png"
            image, regions, note = extract_one(
                np.ascontiguousarray(frame.crop(capture)).astype(np.uint8, copy=False),
                None if clean is None else frame.crop(clean).astype(np.uint8, copy=False),
                request,
            )
            write_image(folder / "images" / name, np.ascontiguousarray(image))
            write_image(folder / "masks" / name, np.minimum(regions, 255).astype(np.uint8))
            labels.append(regions)
            found.append({"capture": file.name, **note})
            advance(done, "")
    return labels, found


def _frame_of(files: Sequence[Path]) -> Frame:
    chosen = files[:: -(-len(files) // _SAMPLED)]
    captures = [read_colour(file) for file in chosen]
    for file, one in zip(chosen, captures, strict=True):
        if one.shape != captures[0].shape:
            a, b = one.shape[:2], captures[0].shape[:2]
            raise InputError(
                f"{file}: is {a[0]} x {a[1]}, {chosen[0].name} is {b[0]} x {b[1]}; give captures "
                "of one size"
            )
    return find_frame(captures)


def _originals(request: ExtractRequest) -> dict[str, Path]:
    if request.originals is None:
        return {}
    return {image_stem(file.name): file for file in list_images(request.originals)}


def _original(originals: dict[str, Path], file: Path, capture: Rgb) -> NDArray[np.uint8] | None:
    if not originals:
        return None
    path = originals.get(image_stem(file.name))
    if path is None:
        raise InputError(f"{file}: no image of this name among the images without outlines")
    image = read_image(path)
    if image.shape != capture.shape[:2]:
        raise InputError(
            f"{path}: is {image.shape[0]} x {image.shape[1]}, the capture is "
            f"{capture.shape[0]} x {capture.shape[1]}"
        )
    return image


def _painted_over(capture: Rgb, line: Mask) -> Rgb:
    """Return a capture with the line inpainted (A. Telea, 2004)."""
    if not line.any():
        return capture
    grown = cv2.dilate(line.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.inpaint(capture, grown, 3, cv2.INPAINT_TELEA), np.uint8)


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape == size:
        return image
    way = cv2.INTER_AREA if size[0] < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size[::-1], interpolation=way), np.uint8)


def _resized_regions(labels: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Return resized regions: each pixel belongs to the region that covers most of it."""
    if labels.shape == size:
        return labels
    way = cv2.INTER_AREA if size[0] < labels.shape[0] else cv2.INTER_LINEAR
    best = cv2.resize((labels == 0).astype(np.float32), size[::-1], interpolation=way)
    found = np.zeros(size, dtype=np.uint16)
    for one in range(1, int(labels.max()) + 1):
        share = cv2.resize((labels == one).astype(np.float32), size[::-1], interpolation=way)
        found[share > best] = one
        best = np.maximum(best, share)
    return found


def _record(
    index: int,
    name: str,
    labels: LabelMap,
    numbers: Numbering | None,
    request: ExtractRequest,
    scale: Sequence[float],
) -> SliceRecord:
    height, width = labels.shape
    if request.spacing is None or numbers is None:
        return SliceRecord(index, name, height, width)
    x, y, _ = request.spacing
    place = numbers.indices[index]
    group = request.captures.resolve().name
    pixel = (y / scale[0], x / scale[1])
    return SliceRecord(
        index,
        name,
        height,
        width,
        group=group,
        volume=group,
        index=place,
        spacing=pixel,
        position=numbers.start + place * numbers.step,
    )


def _set(
    images: Path,
    records: Sequence[SliceRecord],
    masks: dict[int, SliceMasks],
    request: ExtractRequest,
    numbers: Numbering | None,
) -> SliceSet:
    first = records[0]
    if numbers is None or first.spacing is None or first.volume is None:
        return SliceSet(images, tuple(records), masks)
    spacing = (first.spacing[1], first.spacing[0], numbers.step)
    size = (first.height, first.width)
    volume = sequence_volume(size, numbers.count, spacing, first.volume, numbers.start)
    return SliceSet(images, tuple(records), masks, {first.volume: volume})


def _say(
    request: ExtractRequest, numbers: Numbering | None, found: list[dict[str, Any]], out: Path
) -> None:
    without = [one["capture"] for one in found if not one["regions"]]
    if without:
        warn(f"no closed outline in {len(without)} of {len(found)}: {name_a_few(without)}")
    loose = [one["capture"] for one in found if one["open_ends"]]
    if loose:
        warn(f"a line with open ends in {name_a_few(loose)}; look at {out / 'check.png'}")
    if numbers is not None:
        if numbers.reading:
            say(f"{request.captures}: {numbers.reading}")
        if note := numbers.gap_note(str(request.captures)):
            warn(note)
    regions = sum(one["regions"] for one in found)
    say(f"extracted {regions} regions from {len(found)} captures to {out}")
