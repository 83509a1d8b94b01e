"""Reading our COCO files slice by slice, in constant memory."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewshot.errors import InputError
from fewshot.files import without_repeats
from fewshot.masks.coco_annotations import AnnotationReader
from fewshot.masks.coco_read import read_coco, read_slices
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.slice_set import SliceSet

# How `coco_write` begins an annotation, each on a line of its own.
_ANNOTATION = re.compile(r'\{"id": (\d{1,15}), "image_id": (\d{1,15}), ')
_ANNOTATIONS = '"annotations": ['
_LONGEST_LINE = 1 << 26


@dataclass(frozen=True)
class CocoStream:
    """The slices of a COCO file without masks, and an iterator over the masks.

    Attributes:
        slices: ascending by image id.
        path: the file.
        whole: all slices with their masks, if the file is not one of ours.
    """

    slices: SliceSet
    path: Path
    whole: SliceSet | None = None

    def masks(self) -> Iterator[SliceMasks]:
        """Yield the masks of each slice in order, empty ones for slices without masks.

        Raises `InputError` like `read_coco`, when it reaches the error.
        """
        if self.whole is not None:
            yield from (self.whole.masks_of(record.image_id) for record in self.slices.records)
            return
        reader = AnnotationReader(_head(self.path), self.path)
        entries = _entries(self.path)
        waiting = next(entries, None)
        for record in self.slices.records:
            mine = []
            while waiting is not None and waiting.get("image_id") == record.image_id:
                mine.append(waiting)
                waiting = next(entries, None)
            yield reader.masks(record, mine)
        if waiting is not None:
            raise InputError(
                f"{self.path}: annotation {waiting['id']}: image_id is {waiting['image_id']}, "
                "which is not among the images"
            )


def open_coco(path: Path) -> CocoStream:
    """Return the slices of a COCO file, with masks that are read one slice at a time.

    Files not written by `write_coco` are read at once. Raises `InputError` like `read_coco`.
    """
    if not _is_ours(path):
        whole = read_coco(path)
        records = tuple(sorted(whole.records, key=lambda record: record.image_id))
        return CocoStream(replace(whole, records=records, masks={}), path, whole)
    return CocoStream(read_slices(_head(path), path), path)


def _is_ours(path: Path) -> bool:
    """Return whether the file has one annotation a line, ascending by id and by image."""
    last = (0, -1)
    try:
        for line in _lines(path):
            found = _ANNOTATION.match(line)
            if found is None:
                return False
            this = int(found[1]), int(found[2])
            if this[0] <= last[0] or this[1] < last[1]:
                return False
            last = this
        head = _head(path)
        ids = [entry["id"] for entry in head["images"]]
        return ids == sorted(ids)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, InputError):
        return False  # read_coco will say what is wrong


def _head(path: Path) -> dict[str, Any]:
    """Return everything before the annotations."""
    lines = []
    with path.open(encoding="utf-8") as file:
        for line in iter(lambda: file.readline(_LONGEST_LINE), ""):
            if _ANNOTATIONS in line:
                lines.append(line.partition(_ANNOTATIONS)[0])
                break
            lines.append(line)
        else:
            raise InputError(f"{path}: has no annotations")
    document = json.loads("".join(lines) + '"annotations": []}', object_pairs_hook=without_repeats)
    if not isinstance(document, dict):
        raise InputError(f"{path}: is no COCO file")
    return document


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(path)):
        try:
            entry = json.loads(line, object_pairs_hook=without_repeats)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}: broken JSON in annotations[{number}]: {' '.join(str(error).split())}"
            ) from error
        yield entry


def _lines(path: Path) -> Iterator[str]:
    """Yield the line of each annotation without its comma; `ValueError` if the file is cut off."""
    with path.open(encoding="utf-8") as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), "")
        for line in lines:
            if line.rstrip("\n").endswith(_ANNOTATIONS):
                break
        for line in lines:
            if line == "]\n":
                if "".join(lines).strip() != "}":
                    raise ValueError("more follows the annotations")
                return
            yield line.rstrip(",\n")
    raise ValueError("the file is cut off")
