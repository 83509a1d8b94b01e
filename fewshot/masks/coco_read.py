"""Reading and checking COCO files, ours and those of other tools."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco_annotations import AnnotationReader
from fewshot.masks.coco_values import (
    MAX_COORDINATE,
    Entry,
    Identity,
    box,
    entries_of,
    file_name,
    identity,
    integer,
    number,
    numbers,
    text,
    whole,
)
from fewshot.masks.rle import short_repr
from fewshot.masks.slice_set import SliceRecord, SliceSet
from fewshot.slices.remarks import remark
from fewshot.slices.volume import Volume
from fewshot.text import check_plain

Box = tuple[float, float, float, float]

# System folders, which never contain images of slices.
_SYSTEM = tuple(Path(name) for name in ("/etc", "/proc", "/sys", "/dev", "/boot"))


def read_coco(path: Path, images: Path | None = None, skipped: list[str] | None = None) -> SliceSet:
    """Return the slices and masks of a COCO file.

    Masks may be compressed or uncompressed RLE, or polygons, of which several are the parts of one
    mask. Every category becomes organ. Annotations with `iscrowd` 1 are masks like any other: tools
    write it to say "this is an RLE". `area` is computed anew, and so are missing boxes and boxes
    that do not fit their masks. A missing `score` is 1; a missing `source` is `label`, or
    `prediction` if there is a score. A slice has structures if each of its annotations has a
    `structure`. Numbers may be text ("1") or floats (96.0), optional keys null; if ids are other
    text, images are numbered in their order.

    `images` is the folder of the image files, where they may also lie under the last part of their
    names. The default is `info.images` of the file, relative to the file's folder, or else that
    folder. With `skipped`, wrong images and annotations are skipped and the reasons appended to it.

    Raises `InputError` with the first error (file, image or annotation, key) and the names of all
    wrong annotations.
    """
    document = _document(path)
    listed = _images(document, path, images, skipped)
    reader = AnnotationReader(document, path, skipped)
    entries = entries_of(document, "annotations", path)
    rows = reader.by_image(entries, listed.records, listed.left_out)
    records = tuple(listed.records.values())
    masks = {
        record.image_id: reader.masks_of(record, rows[record.image_id])
        for record in records
        if record.image_id in rows
    }
    reader.end()
    try:
        folder, home = _folder(document, path, images)
        return SliceSet(folder, records, masks, _volumes(document, path), home)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_boxes(path: Path, images: Path | None = None) -> tuple[SliceSet, dict[int, list[Box]]]:
    """Return the slices of a COCO file without masks, and the boxes of its annotations.

    Boxes are x, y, width, height in pixels by image id, in the order of the file; segmentations
    are ignored. `images` is as for `read_coco`.

    Raises `InputError` with the first error: file, image or annotation, key.
    """
    document = _document(path)
    records = _images(document, path, images).records
    folder, home = _folder(document, path, images)
    slices = SliceSet(folder, tuple(records.values()), {}, _volumes(document, path), home)
    boxes: dict[int, list[Box]] = {}
    for index, entry in enumerate(entries_of(document, "annotations", path)):
        where = f"{path}: annotations[{index}]"
        image = identity(entry, "image_id", where)
        if image not in records:
            raise InputError(
                f"{where}: image_id is {short_repr(image)}, which is not among the images"
            )
        x, y, width, height = box(entry.get("bbox"), where)
        boxes.setdefault(records[image].image_id, []).append((x, y, width, height))
    return slices, boxes


def read_slices(document: Entry, path: Path) -> SliceSet:
    """Return the slices of a COCO document, ignoring its annotations."""
    records, volumes = tuple(_images(document, path).records.values()), _volumes(document, path)
    try:
        folder, home = _folder(document, path, None)
        return SliceSet(folder, records, {}, volumes, home)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _document(path: Path) -> Entry:
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


def _folder(document: Entry, path: Path, images: Path | None) -> tuple[Path, Path | None]:
    """Return the folder of images and, if it is relative, the folder that contains it and the file.

    A file cannot name system folders, nor by `..` the folders that contain it.
    """
    info = document.get("info", {})
    if images is not None:
        return images, None
    if not (isinstance(info, dict) and "images" in info):
        return path.parent, None
    named, here = Path(text(info, "images", f"{path}: info")), path.parent.absolute()
    folder = Path(os.path.normpath(here / named))
    home = None if named.is_absolute() else Path(os.path.commonpath([here, folder]))
    upwards = ".." in named.parts and (here.is_relative_to(folder) or home == Path(here.anchor))
    if upwards or any(folder.is_relative_to(one) for one in _SYSTEM):
        raise InputError(
            f"{path}: info.images is {short_repr(str(named))}; give the folder of the images, "
            "whole, or from where the file lies"
        )
    return folder, home


class _Images(NamedTuple):
    """The images by their ids in the file, and the ids of those that cannot be read."""

    records: dict[Identity, SliceRecord]
    left_out: set[Identity]


def _images(
    document: Entry, path: Path, images: Path | None = None, skipped: list[str] | None = None
) -> _Images:
    listed = _Images({}, set())
    entries = entries_of(document, "images", path)
    ids = [identity(entry, "id", f"{path}: images[{i}]") for i, entry in enumerate(entries)]
    named = any(isinstance(one, str) for one in ids)
    if named:
        remark("ids of images are text; the images are numbered in their order", str(path))
    for index, (one, entry) in enumerate(zip(ids, entries, strict=True)):
        where = f"{path}: image {one}"
        if one in listed.records:
            raise InputError(f"{where}: two slices have this id")
        try:
            height, width = rle_codec.check_size(
                whole(entry.get("height")), whole(entry.get("width")), where
            )
            name = file_name(entry, where, images)
            place = _place(entry, where)
        except InputError as error:
            if skipped is None:
                raise
            skipped.append(str(error))
            listed.left_out.add(one)
            continue
        number = index if isinstance(one, str) or named else one
        listed.records[one] = SliceRecord(number, name, height, width, **place)
    return listed


def _place(entry: Entry, where: str) -> dict[str, Any]:
    """Return the checked keys for a slice's patient and its place in a volume."""
    readers: dict[str, Callable[[], object]] = {
        "group": lambda: text(entry, "group", where),
        "volume": lambda: text(entry, "volume", where),
        "index": lambda: integer(entry, "index", where),
        "spacing": lambda: tuple(numbers(entry["spacing"], "spacing", 2, where)),
        "position": lambda: number(entry, "position", where, -MAX_COORDINATE, MAX_COORDINATE),
    }
    return {key: read() for key, read in readers.items() if entry.get(key) is not None}


def _volumes(document: Entry, path: Path) -> dict[str, Volume]:
    info = document.get("info")
    volumes = info.get("volumes", {}) if isinstance(info, dict) else {}
    if not isinstance(volumes, dict):
        raise InputError(f"{path}: info.volumes is {short_repr(volumes)}; give an object")
    for name in volumes:
        check_plain(name, f"{path}: info.volumes: the name")
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
    x, y, z = (integer({"shape": side}, "shape", where) for side in shape)
    rows = tuple(tuple(numbers(row, "affine", 4, where)) for row in affine)
    source = text(entry, "source", where)
    try:
        return Volume((x, y, z), integer(entry, "axis", where), rows, source)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
