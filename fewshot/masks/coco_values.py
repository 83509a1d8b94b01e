"""Single values of a COCO file, in every unambiguous way of writing them.

Other tools write ids and sizes as text (`"1"`) or floating-point numbers (`96.0`), null for
optional keys, and file names as on Windows.
"""

import math
import re
from pathlib import Path, PurePosixPath
from typing import Any

from fewshot.errors import InputError
from fewshot.masks.rle import short_repr
from fewshot.text import is_plain

Entry = dict[str, Any]
Identity = int | str

MAX_COORDINATE = 1e6
# The largest integer that every JSON reader represents exactly.
_MAX_INTEGER = 2**53 - 1
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


def entries_of(document: Entry, key: str, path: Path) -> list[Entry]:
    """Return a list of objects in the document; `InputError` if it is something else."""
    if key not in document:
        keys = ", ".join(list(map(short_repr, document))[:5]) or "nothing"
        raise InputError(
            f"{path}: has no {key}; a COCO file has images, annotations, categories, this one "
            f"has {keys}"
        )
    entries = document[key]
    if not isinstance(entries, list):
        raise InputError(f"{path}: {key} is {short_repr(entries)}; it must be a list")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: {key}[{index}] is {short_repr(entry)}; give an object")
    return entries


def whole(value: object) -> object:
    """Return 96 for 96, 96.0 and "96", and anything else unchanged."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and value.isascii() and value.isdecimal() and len(value) < 17:
        number = int(value)
        return number if str(number) == value else value
    return value


def identity(entry: Entry, key: str, where: str) -> Identity:
    """Return an id: an integer if possible, otherwise text."""
    value = entry.get(key)
    if type(value) is not int:
        value = whole(value)
    if type(value) is str and value and is_plain(value):
        return value
    if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
        raise InputError(f"{where}: {key} is {short_repr(value)}; it must be an integer from 0 up")
    return value


def integer(entry: Entry, key: str, where: str) -> int:
    """Return an integer from 0 up that every JSON reader represents exactly."""
    value = whole(entry.get(key))
    if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
        raise InputError(f"{where}: {key} is {short_repr(value)}; it must be an integer from 0 up")
    return value


def number(entry: Entry, key: str, where: str, low: float, high: float) -> float:
    """Return a number from `low` to `high`."""
    value: Any = entry.get(key)
    if type(value) not in (int, float) or not low <= value <= high:
        raise InputError(
            f"{where}: {key} is {short_repr(value)}; it must be a number from {low:g} to {high:g}"
        )
    return float(value)


def numbers(value: object, key: str, count: int, where: str) -> list[float]:
    """Return a list of `count` coordinates or lengths."""
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{where}: {key} is {short_repr(value)}; give {count} numbers")
    return [number({key: one}, key, where, -MAX_COORDINATE, MAX_COORDINATE) for one in value]


def box(value: object, where: str) -> list[float]:
    """Return [x, y, width, height] in pixels."""
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f"{where}: bbox is {short_repr(value)}; it must be [x, y, width, height]")
    names = ("bbox x", "bbox y", "bbox width", "bbox height")
    sides = dict(zip(names, value, strict=True))
    lowest = (-MAX_COORDINATE, -MAX_COORDINATE, 0.0, 0.0)
    return [
        number(sides, name, where, low, MAX_COORDINATE)
        for name, low in zip(names, lowest, strict=True)
    ]


def crowd(entry: Entry, where: str) -> None:
    """Raise `InputError` unless `iscrowd` is 0, 1 or absent, however written."""
    value = entry.get("iscrowd")
    if value not in (None, 0, 1, "0", "1") or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{where}: iscrowd is {short_repr(value)}; give 0 or 1")


def text(entry: Entry, key: str, where: str) -> str:
    """Return text without control characters."""
    value = entry.get(key)
    if not isinstance(value, str) or not value or not is_plain(value):
        raise InputError(f"{where}: {key} is {short_repr(value)}; it must be plain text")
    return value


def last_part(name: str) -> str:
    """Return a file's name without its folders, with either kind of separator."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def file_name(entry: Entry, where: str, images: Path | None) -> str:
    """Return the name of an image's file below the folder of images, never outside it.

    If the folder is given and has no file of that full name, as on another machine, the last part
    of the name counts.
    """
    name = text(entry, "file_name", where).replace("\\", "/")
    short, parts = last_part(name), PurePosixPath(name).parts
    inside = bool(parts) and ".." not in parts and not _ABSOLUTE.match(name)
    if images is not None and short.strip("."):
        there = inside and ((images / name).exists() or not (images / short).exists())
        return name if there else short
    if not inside:
        raise InputError(
            f"{where}: file_name is {short_repr(name)}; give it below the folder of images"
        )
    return name
