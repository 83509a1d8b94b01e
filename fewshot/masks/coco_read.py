"""Reading and checking a COCO file, ours or any other tool's."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.masks import rle as rle_codec
from fewshot.masks.polygons import encode_polygons
from fewshot.masks.predicted import MAX_STRUCTURE, SliceMasks
from fewshot.masks.rle import CheckedRles, short_repr
from fewshot.masks.slice_set import SliceRecord, SliceSet
from fewshot.slices.volume import Volume

# The largest integer that every JSON reader keeps exactly.
_MAX_INTEGER = 2**53 - 1
_MAX_COORDINATE = 1e6
# Control characters and halves of characters have no place in names, or in messages.
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_Entry = dict[str, Any]
# score, box, mask, source, structure, where
_Row = tuple[float, list[float] | None, object, str, int | None, str]


def read_coco(path: Path, images: Path | None = None) -> SliceSet:
    """Return the slices and masks of a COCO file.

    Masks may be compressed RLE, uncompressed RLE or polygons; several polygons are the parts of one
    mask. Every category becomes organ. An annotation with `iscrowd` 1 is one mask like any other:
    tools write it to say "this is an RLE", and slices have no crowds. Boxes are taken from `bbox`,
    or from the mask where there is none; `area` is counted anew. A missing `score` is 1; a missing
    `source` is `label`, or `prediction` where there is a score. Structures are known for a slice
    where every annotation of it has a `structure`.

    `images` is the folder of the image files; without it `info.images` of the file, from the file's
    own folder if relative, and without that the file's own folder.

    Raises `InputError` with the first error: the file, the image or annotation and the key.
    """
    document = _document(path)
    records = _records(document, path)
    volumes = _volumes(document, path)
    rows = _rows(document, path, {record.image_id: record for record in records})
    rles = {
        record.image_id: _checked_rles(record, rows[record.image_id])
        for record in records
        if record.image_id in rows
    }
    try:
        masks = {
            record.image_id: _slice_masks(record, rows[record.image_id], rles[record.image_id])
            for record in records
            if record.image_id in rows
        }
        folder, home = _folder(document, path, images)
        return SliceSet(folder, records, masks, volumes, home)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_boxes(
    path: Path, images: Path | None = None
) -> tuple[SliceSet, dict[int, list[tuple[float, float, float, float]]]]:
    """Return the slices of a COCO file without masks, and the boxes of its annotations.

    Boxes are x, y, width, height in pixels by image id, in the order of the file; segmentations
    may be empty and are not looked at. `images` is as for `read_coco`.

    Raises `InputError` with the first error: the file, the image or annotation and the key.
    """
    document = _document(path)
    records = _records(document, path)
    folder, home = _folder(document, path, images)
    slices = SliceSet(folder, records, {}, _volumes(document, path), home)
    known = {record.image_id for record in records}
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    for index, entry in enumerate(_entries(document, "annotations", path)):
        where = f"{path}: annotations[{index}]"
        image_id = _integer(entry, "image_id", where)
        if image_id not in known:
            raise InputError(f"{where}: image_id is {image_id}, which is not among the images")
        x, y, width, height = _box(entry.get("bbox"), where)
        boxes.setdefault(image_id, []).append((x, y, width, height))
    return slices, boxes


def read_slices(document: dict[str, Any], path: Path) -> SliceSet:
    """Return the slices of a COCO document without looking at its annotations."""
    records, volumes = _records(document, path), _volumes(document, path)
    try:
        folder, home = _folder(document, path, None)
        return SliceSet(folder, records, {}, volumes, home)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


class AnnotationReader:
    """Checks the annotations of one slice after another, as `read_coco` does those of all."""

    def __init__(self, document: dict[str, Any], path: Path) -> None:
        self._path = path
        self._categories = _categories(document, path)

    def masks(self, record: SliceRecord, entries: Sequence[dict[str, Any]]) -> SliceMasks:
        """Return the masks of a slice, given all its annotations; `InputError` as `read_coco`."""
        if not entries:
            return SliceMasks.empty(record.image_id, record.height, record.width)
        rows = []
        for entry in entries:
            where = f"{self._path}: annotation {entry['id']}"
            rows.append(_row(entry, record, self._categories, where))
        rles = _checked_rles(record, rows)
        try:
            return _slice_masks(record, rows, rles)
        except InputError as error:
            raise InputError(f"{self._path}: {error}") from error


def _document(path: Path) -> _Entry:
    try:
        document = read_json(path)
    except ValueError as error:  # Python refuses integers of more than 4300 digits.
        raise InputError(f"{path}: holds a number that is too long") from error
    if isinstance(document, list):
        raise InputError(
            f"{path}: is a list, perhaps of COCO results; give a file with images and annotations"
        )
    if not isinstance(document, dict):
        raise InputError(f"{path}: is {short_repr(document)}; give a COCO file")
    return document


def _folder(document: _Entry, path: Path, images: Path | None) -> tuple[Path, Path | None]:
    """Return the folder of images, and the one that holds it and the file, if it is relative."""
    info = document.get("info", {})
    if images is not None:
        return images, None
    if not (isinstance(info, dict) and "images" in info):
        return path.parent, None
    text, here = _text(info, "images", "info"), path.parent.absolute()
    folder = Path(os.path.normpath(here / text))
    home = None if Path(text).is_absolute() else Path(os.path.commonpath([here, folder]))
    return folder, home


def _records(document: _Entry, path: Path) -> tuple[SliceRecord, ...]:
    records = []
    for index, entry in enumerate(_entries(document, "images", path)):
        where = f"{path}: images[{index}]"
        image_id = _integer(entry, "id", where)
        where = f"{path}: image {image_id}"
        height, width = rle_codec.check_size(entry.get("height"), entry.get("width"), where)
        file_name = _file_name(entry, where)
        records.append(SliceRecord(image_id, file_name, height, width, **_place(entry, where)))
    return tuple(records)


def _place(entry: _Entry, where: str) -> dict[str, Any]:
    """Return the checked keys that tell a slice's patient and its place in a volume."""
    readers: dict[str, Callable[[], object]] = {
        "group": lambda: _text(entry, "group", where),
        "volume": lambda: _text(entry, "volume", where),
        "index": lambda: _integer(entry, "index", where),
        "spacing": lambda: tuple(_numbers(entry["spacing"], "spacing", 2, where)),
        "position": lambda: _number(entry, "position", where, -_MAX_COORDINATE, _MAX_COORDINATE),
    }
    return {key: read() for key, read in readers.items() if entry.get(key) is not None}


def _volumes(document: _Entry, path: Path) -> dict[str, Volume]:
    info = document.get("info")
    volumes = info.get("volumes", {}) if isinstance(info, dict) else {}
    if not isinstance(volumes, dict):
        raise InputError(f"{path}: info.volumes is {short_repr(volumes)}; give an object")
    return {name: _volume(name, entry, path) for name, entry in volumes.items()}


def _volume(name: str, entry: Any, path: Path) -> Volume:
    where = f"{path}: volume {short_repr(name)}"
    if not isinstance(entry, dict):
        raise InputError(f"{where}: is {short_repr(entry)}; give an object")
    shape, affine = entry.get("shape"), entry.get("affine")
    if not isinstance(shape, list) or len(shape) != 3:
        raise InputError(f"{where}: shape is {short_repr(shape)}; give three sides")
    if not isinstance(affine, list) or len(affine) != 4:
        raise InputError(f"{where}: affine is {short_repr(affine)}; give four rows of four numbers")
    x, y, z = (_integer({"shape": side}, "shape", where) for side in shape)
    rows = tuple(tuple(_numbers(row, "affine", 4, where)) for row in affine)
    source = _text(entry, "source", where)
    try:
        return Volume((x, y, z), _integer(entry, "axis", where), rows, source)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _rows(
    document: _Entry, path: Path, records: Mapping[int, SliceRecord]
) -> dict[int, list[_Row]]:
    """Return the checked annotations by image id, in the order of the file."""
    categories = _categories(document, path)
    rows: dict[int, list[_Row]] = {}
    seen: set[int] = set()
    for index, entry in enumerate(_entries(document, "annotations", path)):
        number = _integer(entry, "id", f"{path}: annotations[{index}]")
        where = f"{path}: annotation {number}"
        if number in seen:
            raise InputError(f"{where}: two annotations have this id")
        seen.add(number)
        image_id = _integer(entry, "image_id", where)
        if image_id not in records:
            raise InputError(f"{where}: image_id is {image_id}, which is not among the images")
        rows.setdefault(image_id, []).append(_row(entry, records[image_id], categories, where))
    return rows


def _categories(document: _Entry, path: Path) -> set[int]:
    return {
        _integer(entry, "id", f"{path}: categories[{index}]")
        for index, entry in enumerate(_entries(document, "categories", path))
    }


def _row(entry: _Entry, record: SliceRecord, categories: Collection[int], where: str) -> _Row:
    category = _integer(entry, "category_id", where)
    if category not in categories:
        raise InputError(f"{where}: category_id is {category}, which is not among the categories")
    crowd = entry.get("iscrowd", 0)
    if type(crowd) not in (bool, int) or crowd not in (0, 1):
        raise InputError(f"{where}: iscrowd is {short_repr(crowd)}; give 0 or 1")
    segmentation = entry.get("segmentation")  # an RLE is checked with the others of its slice
    if isinstance(segmentation, list):
        segmentation = encode_polygons(segmentation, record.height, record.width, where)
    source = "prediction" if "score" in entry else "label"
    return (
        _number(entry, "score", where, 0.0, 1.0) if "score" in entry else 1.0,
        _box(entry["bbox"], where) if "bbox" in entry else None,
        segmentation,
        _text(entry, "source", where) if "source" in entry else source,
        _structure(entry, where) if "structure" in entry else None,
        where,
    )


def _structure(entry: _Entry, where: str) -> int:
    structure = _integer(entry, "structure", where)
    if not 1 <= structure <= MAX_STRUCTURE:
        raise InputError(
            f"{where}: structure is {short_repr(structure)}; give 1 to {MAX_STRUCTURE}"
        )
    return structure


def _checked_rles(record: SliceRecord, rows: list[_Row]) -> CheckedRles:
    masks = [row[2] for row in rows]
    return rle_codec.check_rles(masks, record.height, record.width, lambda row: rows[row][-1])


def _slice_masks(record: SliceRecord, rows: list[_Row], rles: CheckedRles) -> SliceMasks:
    scores, given, _, sources, structures, _ = zip(*rows, strict=True)
    boxes = rle_codec.boxes(rles)
    for row, box in enumerate(given):
        if box is not None:
            x, y, width, height = box
            boxes[row] = x, y, x + width, y + height
    return SliceMasks(
        record.image_id,
        record.height,
        record.width,
        np.array(scores, dtype=np.float32),
        boxes,
        rles,
        sources,
        () if None in structures else structures,
    )


def _entries(document: _Entry, key: str, path: Path) -> list[_Entry]:
    if key not in document:
        raise InputError(f"{path}: has no {key}; a COCO file has images, annotations, categories")
    entries = document[key]
    if not isinstance(entries, list):
        raise InputError(f"{path}: {key} is {short_repr(entries)}; it must be a list")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: {key}[{index}] is {short_repr(entry)}; give an object")
    return entries


def _integer(entry: _Entry, key: str, where: str) -> int:
    value = entry.get(key)
    if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
        raise InputError(f"{where}: {key} is {short_repr(value)}; it must be an integer from 0 up")
    return value


def _number(entry: _Entry, key: str, where: str, low: float, high: float) -> float:
    value: Any = entry.get(key)
    if type(value) not in (int, float) or not low <= value <= high:
        raise InputError(
            f"{where}: {key} is {short_repr(value)}; it must be a number from {low:g} to {high:g}"
        )
    return float(value)


def _numbers(value: object, key: str, count: int, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{where}: {key} is {short_repr(value)}; give {count} numbers")
    return [_number({key: one}, key, where, -_MAX_COORDINATE, _MAX_COORDINATE) for one in value]


def _box(value: object, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f"{where}: bbox is {short_repr(value)}; it must be [x, y, width, height]")
    names = ("bbox x", "bbox y", "bbox width", "bbox height")
    sides = dict(zip(names, value, strict=True))
    lowest = (-_MAX_COORDINATE, -_MAX_COORDINATE, 0.0, 0.0)
    return [
        _number(sides, name, where, low, _MAX_COORDINATE)
        for name, low in zip(names, lowest, strict=True)
    ]


def _text(entry: _Entry, key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value or _UNUSABLE.search(value):
        raise InputError(f"{where}: {key} is {short_repr(value)}; it must be plain text")
    return value


def _file_name(entry: _Entry, where: str) -> str:
    name = _text(entry, "file_name", where)
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(
            f"{where}: file_name is {short_repr(name)}; give it below the folder of images"
        )
    return name
