"""Checking the annotations of COCO files, and turning them into masks of slices."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco_values import (
    Entry,
    Identity,
    box,
    crowd,
    entries_of,
    identity,
    number,
    text,
    whole,
)
from fewshot.masks.polygons import encode_polygons
from fewshot.masks.predicted import MAX_STRUCTURE, SliceMasks
from fewshot.masks.rle import CheckedRles, short_repr
from fewshot.masks.slice_set import SliceRecord
from fewshot.slices.limits import check_mask_pixels
from fewshot.slices.remarks import remark

_NEAR = 1.5  # pixels between a box and its mask: tools count pixels or their borders
_NAMED = 5


class Annotation(NamedTuple):
    """A checked annotation, except for its `segmentation`, an RLE that is checked later.

    `box` is [x, y, width, height], None if the file has no usable one; `where` names the annotation
    in messages. `is_label` is true for what people drew, false for what models predicted.
    """

    score: float
    box: list[float] | None
    segmentation: object
    source: str
    structure: int | None
    where: str
    name: Identity
    is_label: bool


class WrongAnnotations(InputError):
    """All annotations that cannot be read; the rest of the file can."""


class AnnotationReader:
    """Checks the annotations of one slice after another.

    With `skipped`, wrong annotations are skipped and the reasons appended to it; without, `end`
    raises one `WrongAnnotations` for all of them.
    """

    def __init__(self, document: Entry, path: Path, skipped: list[str] | None = None) -> None:
        self._path, self.skipped = path, skipped
        self._categories: set[Identity] = {
            identity(entry, "id", f"{path}: categories[{index}]")
            for index, entry in enumerate(entries_of(document, "categories", path))
        }
        self._wrong: list[tuple[str, InputError]] = []
        self._pixels, self._size = 0, path.stat().st_size

    def by_image(
        self,
        entries: Sequence[Entry],
        records: Mapping[Identity, SliceRecord],
        left_out: Collection[Identity],
    ) -> dict[int, list[Annotation]]:
        """Return the valid annotations by image id, in the order of the file.

        `records` has the images by their ids in the file; annotations of images that are
        `left_out` are left out too.
        """
        rows: dict[int, list[Annotation]] = {}
        seen: set[Identity] = set()
        for index, entry in enumerate(entries):
            with self._noting(entry):
                name = identity(entry, "id", f"{self._path}: annotations[{index}]")
                where = f"{self._path}: annotation {name}"
                if name in seen:
                    raise InputError(f"{where}: two annotations have this id")
                seen.add(name)
                image = identity(entry, "image_id", where)
                if image not in left_out:
                    record = records.get(image)
                    if record is None:
                        raise InputError(
                            f"{where}: image_id is {short_repr(image)}, which is not among the"
                            " images"
                        )
                    row = self._annotation(entry, record, where)
                    rows.setdefault(record.image_id, []).append(row)
                    self._pixels += record.height * record.width
        check_mask_pixels(self._pixels, self._size, str(self._path))
        return rows

    def masks(self, record: SliceRecord, entries: Sequence[Entry]) -> SliceMasks:
        """Return the masks of a slice from all its annotations; `InputError` like `read_coco`."""
        rows = []
        self._pixels += record.height * record.width * len(entries)
        check_mask_pixels(self._pixels, self._size, str(self._path))
        for entry in entries:
            rows.append(self._annotation(entry, record, f"{self._path}: annotation {entry['id']}"))
        found = self.masks_of(record, rows)
        self.end()
        return found

    def end(self) -> None:
        """Raise the first error, with the names of all other wrong annotations."""
        if self.skipped is not None or not self._wrong:
            return
        (_, first), *others = self._wrong
        named = ", ".join(name for name, _ in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        also = f" (wrong as well: annotations {named}{more})" if others else ""
        raise WrongAnnotations(f"{first}{also}") from first

    @contextmanager
    def _noting(self, entry: Entry) -> Iterator[None]:
        """Record an `InputError` of the `with` block under the annotation's id, and continue."""
        try:
            yield
        except InputError as error:
            name = entry.get("id")
            self._wrong.append((name if isinstance(name, str) else short_repr(name), error))
            if self.skipped is not None:
                self.skipped.append(str(error))

    def _annotation(self, entry: Entry, record: SliceRecord, where: str) -> Annotation:
        """Return a checked annotation; the `InputError` for a wrong one begins with `where`."""
        category = identity(entry, "category_id", where)
        if category not in self._categories:
            raise InputError(
                f"{where}: category_id is {short_repr(category)}, which is not among the categories"
            )
        crowd(entry, where)
        segmentation = entry.get("segmentation")
        if segmentation is None:
            raise InputError(
                f"{where}: has no segmentation; give an RLE or polygons (boxes alone are prompts"
                " for SAM)"
            )
        if isinstance(segmentation, list):
            segmentation = encode_polygons(
                segmentation, record.height, record.width, where, self.skipped
            )
        elif isinstance(segmentation, dict):
            segmentation = _whole_rle(segmentation)
        scored, given = entry.get("score") is not None, entry.get("source") is not None
        return Annotation(
            number(entry, "score", where, 0.0, 1.0) if scored else 1.0,
            _usable_box(entry.get("bbox"), where),
            segmentation,
            text(entry, "source", where) if given else "prediction" if scored else "label",
            _structure(entry, where) if entry.get("structure") is not None else None,
            where,
            entry["id"],
            not scored and not given,
        )

    def masks_of(self, record: SliceRecord, rows: Sequence[Annotation]) -> SliceMasks:
        """Return the masks of a slice from its checked annotations.

        Labels without a pixel are left out; boxes that do not fit their masks are replaced.
        """
        rows, rles = self._checked(record, rows)
        tight = rle_codec.boxes(rles)
        empty = (tight[:, 2] <= tight[:, 0]) & np.array([row.is_label for row in rows], dtype=bool)
        if empty.any():
            for index in np.flatnonzero(empty).tolist():
                remark("masks without a pixel are left out", rows[index].where)
            kept = np.flatnonzero(~empty).tolist()
            rows, rles, tight = [rows[index] for index in kept], rles.at(kept), tight[kept]
        if not rows:
            return SliceMasks.empty(record.image_id, record.height, record.width)
        structures = [row.structure for row in rows if row.structure is not None]
        try:
            return SliceMasks(
                record.image_id,
                record.height,
                record.width,
                np.array([row.score for row in rows], dtype=np.float32),
                _boxes(rows, tight, rles.size),
                rles,
                tuple(row.source for row in rows),
                tuple(structures) if len(structures) == len(rows) else (),
            )
        except InputError as error:
            raise InputError(f"{self._path}: {error}") from error

    def _checked(
        self, record: SliceRecord, rows: Sequence[Annotation]
    ) -> tuple[list[Annotation], CheckedRles]:
        """Return the annotations with valid masks, and the masks."""
        height, width = record.height, record.width

        def checked(chosen: list[Annotation]) -> tuple[list[Annotation], CheckedRles]:
            masks = [row.segmentation for row in chosen]
            where = [row.where for row in chosen]
            return chosen, rle_codec.check_rles(masks, height, width, where.__getitem__)

        try:
            return checked(list(rows))
        except InputError:
            sound = []
            for row in rows:
                with self._noting({"id": row.name}):
                    rle_codec.check_rle(row.segmentation, height, width, row.where)
                    sound.append(row)
            return checked(sound)


def _whole_rle(segmentation: Entry) -> Entry:
    """Return an RLE whose size, and runs in a list, are integers where they were 96.0."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if type(counts) is str and type(size) is list and [*map(type, size)] == [int, int]:
        return segmentation
    changed = {}
    if isinstance(size, list) and any(type(side) is not int for side in size):
        changed["size"] = [whole(side) for side in size]
    if isinstance(counts, list) and any(type(run) is float for run in counts):
        changed["counts"] = [whole(run) for run in counts]
    return {**segmentation, **changed} if changed else segmentation


def _usable_box(value: object, where: str) -> list[float] | None:
    if value is None or value == []:
        return None
    try:
        return box(value, where)
    except InputError:
        remark("boxes that cannot be are taken from the masks", where)
        return None


def _structure(entry: Entry, where: str) -> int:
    structure: Any = whole(entry["structure"])
    if type(structure) is not int or not 1 <= structure <= MAX_STRUCTURE:
        raise InputError(
            f"{where}: structure is {short_repr(structure)}; give 1 to {MAX_STRUCTURE}"
        )
    return structure


def _boxes(
    rows: Sequence[Annotation], tight: NDArray[np.float32], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the given boxes (x0, y0, x1, y1) where they fit their masks, otherwise `tight` ones.

    The box of a label must be tight; that of a prediction must contain its mask. Boxes of files
    that name the `source` are kept: our models may refine a mask and keep its box.
    """
    given = np.array([row.box or (0.0,) * 4 for row in rows])
    given[:, 2:] += given[:, :2]
    near = np.abs(given - tight).max(axis=1) <= _NEAR
    ours = np.array([not row.is_label and row.source != "prediction" for row in rows])
    if not (near | ours).all():
        near |= _holds(given, tight, size) & np.array([not row.is_label for row in rows])
    there = np.array([row.box is not None for row in rows])
    fits = there & (near | ours)
    for index in np.flatnonzero(there & ~fits).tolist():
        remark(
            "boxes that are not those of their masks are taken from the masks", rows[index].where
        )
    return np.where(fits[:, np.newaxis], given, tight).astype(np.float32)


def _holds(
    given: NDArray[np.float64], tight: NDArray[np.float32], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return whether boxes contain those of the masks and are within the slice, nearly."""
    height, width = size
    outside = np.concatenate([given[:, :2] - tight[:, :2], tight[:, 2:] - given[:, 2:]], axis=1)
    beyond = np.concatenate([-given[:, :2], given[:, 2:] - [width, height]], axis=1)
    near = np.maximum(2.0, 0.05 * (given[:, 2:] - given[:, :2]).max(axis=1))
    holds: NDArray[np.bool_] = np.maximum(outside, beyond).max(axis=1) <= near
    return holds
