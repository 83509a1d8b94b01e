"""From images and labels of any form to slices with masks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.importing.coco_labels import coco_masks
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import warn
from fewshot.slices.box_table import Box, is_box_table, read_box_table
from fewshot.slices.groups import Named, grouped_by_table, guess_groups, is_off
from fewshot.slices.images import image_stem, name_a_few, read_image, write_image
from fewshot.slices.label_names import Renamed, match_names, slice_names
from fewshot.slices.labels.check import PLAIN, LabelRules
from fewshot.slices.labels.recognise import open_labels
from fewshot.slices.labels.source import LabelSource
from fewshot.slices.labels.table import TableLabels
from fewshot.slices.remarks import collecting, remark
from fewshot.slices.sequence import Spacing, as_sequence, check_one_patient
from fewshot.slices.sources.image_folder import ImageFolder
from fewshot.slices.sources.recognise import open_source
from fewshot.slices.sources.source import SliceSource, SourceSlice
from fewshot.slices.window import Auto, Window, auto_window
from fewshot.submission.submission import unmatched
from fewshot.text import check_plain

_LONGEST_ID = 16  # digits; more would not be exact in every JSON reader
_SAMPLED = 32  # slices whose percentiles make the automatic window


@dataclass(frozen=True)
class ImportOptions:
    """How slices are read: the window, the axis of volumes, and whether bad ones are skipped.

    `pictures` is the folder for the 8-bit PNGs of slices in other forms. Three `channels` in place
    of the window make colour PNGs, with a window per channel. `spacing` makes the slices of each
    folder one volume (see `fewshot.slices.sequence`). `channel` is the channel of a case to read,
    or `all`. With `structures` a label id is the same structure on every slice, as it always is in
    label volumes; `rules` are for labels that are hard to recognise. `renaming` makes from the
    patients the function that renames written slices, so that labels may have these names too.
    Without `tell`, remarks are only returned, not printed. Without `write`, slices are only read,
    as they would be for `pictures`.
    """

    window: Window | Auto | None = None
    axis: str = ""
    skip_bad: bool = False
    pictures: Path | None = None
    channels: tuple[Window, Window, Window] | None = None
    spacing: Spacing | None = None
    structures: bool = False
    channel: str = ""
    rules: LabelRules = PLAIN
    renaming: Callable[[Mapping[str, str]], Renamed] | None = None
    tell: bool = True
    write: bool = True


@dataclass(frozen=True)
class Imported:
    """The slices with masks, boxes without masks, and what was found.

    `notes` say how the files were read and grouped, `remarks` what is unusual. `patients` has the
    names of patients that come from identifiers in file headers: name → identifier. `one_window` is
    the window of all slices; None if each has its own, or none.
    """

    slices: SliceSet
    form: str
    label_form: str | None
    window: str
    skipped: tuple[str, ...]
    boxes: Mapping[int, Sequence[Box]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    patients: Mapping[str, str] = field(default_factory=dict)
    one_window: Window | None = None


def import_slices(
    images: Path,
    labels: Path | None = None,
    groups: Path | None = None,
    options: ImportOptions | None = None,
) -> Imported:
    """Read every slice with its label, if any, one at a time.

    A slice whose label map is all zero is unlabelled. Raises `InputError` naming the first wrong
    file, slice or column; with `skip_bad` it is skipped and listed. What is unusual but not wrong
    is printed once for each kind, and returned as `remarks`.

    >>> import tempfile
    >>> from fewshot.slices.images import write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "0.png"), np.zeros((4, 6), np.uint8))
    ...     imported = import_slices(Path(folder))
    >>> [(one.file_name, one.height, one.width) for one in imported.slices.records]
    [('0.png', 4, 6)]
    """
    with collecting() as remarks:
        imported = _imported(images, labels, groups, options or ImportOptions())
    for line in remarks.lines() if options is None or options.tell else ():
        warn(line)
    return replace(imported, remarks=tuple(remarks.lines()))


def _imported(
    images: Path, labels: Path | None, groups: Path | None, options: ImportOptions
) -> Imported:
    source = open_source(images, options.axis, options.skip_bad, options.channel)
    patients: Mapping[str, str] = getattr(source, "patients", {})
    if options.spacing is not None:
        source = as_sequence(source, options.spacing)
    belongs, said = _groups(source, groups, options)
    if options.spacing is not None:
        check_one_patient([], list(belongs.values()))
    reader = _Reader(source, images, options, belongs)
    renamed = options.renaming(patients) if options.renaming is not None and patients else None
    has_boxes = labels is not None and is_box_table(labels)
    if not has_boxes and labels is not None and labels.suffix.lower() != ".json":
        # A long table is read after the images, so that their errors come first.
        records = reader.pictures()
        label_source = open_labels(labels, source, replace(options.rules, renamed=renamed))
        if isinstance(label_source, TableLabels):
            _check_columns(labels, images, label_source, records, bool(reader.skipped))
        masks = reader.masks(records, label_source)
        form: str | None = label_source.form
    else:
        records = reader.pictures()
        passed = reader.skipped if options.skip_bad else None
        masks = {}
        if labels and not has_boxes:
            masks = coco_masks(labels, source, records, passed, renamed)
        form = None if labels is None else "box table" if has_boxes else "COCO"
    records = [record for record in records if record.image_id not in reader.dropped]
    folder = images if source.ready else options.pictures or images
    volumes = {
        name: volume
        for name, volume in source.volumes.items()
        if any(record.volume == name for record in records)
    }
    skipped = (*(one.reason for one in source.skipped), *reader.skipped)
    if not records:
        what = f"no slice of {images} can be read with its label" if reader.dropped else None
        what = what or f"{images}: no slice can be read"
        raise InputError(f"{what}; the first: {' '.join(skipped[:1])}")
    slices = SliceSet(folder, tuple(records), masks, volumes)
    if labels is not None and not has_boxes and not masks:
        remark("no slice is labelled: all labels are empty", str(labels))
    boxes = _boxes(labels, source, records, renamed) if labels and has_boxes else {}
    return Imported(
        slices,
        source.form,
        form,
        reader.window_used,
        skipped,
        boxes,
        notes=(*([said] if said else []), *source.notes),
        warnings=tuple(source.warnings),
        patients=patients,
        one_window=reader.one_window,
    )


def _groups(
    source: SliceSource, table: Path | None, options: ImportOptions
) -> tuple[dict[str, str | None], str]:
    """Return the group of each slice by name, and a line on the origin of the groups.

    Groups come from a table, otherwise from the source (patients, volumes) if the names of several
    volumes do not tell patients, otherwise from the file names.
    """
    items = source.slices
    own = {item.name: item.group for item in items}
    if is_off(table):
        return dict.fromkeys(own), "groups: none; slices of one patient may lie on both sides"
    if table is not None:
        named = [Named(item.name, item.file, item.volume, item.group) for item in items]
        incomplete = options.skip_bad and bool(source.skipped)
        groups, said = grouped_by_table(table, named, source.path, incomplete=incomplete)
        return dict(zip(own, groups, strict=True)), said
    if not any(own.values()):
        guess = guess_groups(list(own))
        if guess is not None:
            return dict(zip(own, guess.groups, strict=True)), guess.described("file names")
    if source.form != "DICOM":
        known = list(dict.fromkeys(group for group in own.values() if group is not None))
        guess = guess_groups(known)
        if guess is not None:
            patient = dict(zip(known, guess.groups, strict=True))
            found = {name: group and patient[group] for name, group in own.items()}
            return found, guess.described("names of volumes")
        if known:
            return own, f"groups: {len(known)}, each volume one"
    return own, ""


class _Reader:
    """Reads the slices of a source once, writes them if required, and notes bad ones."""

    def __init__(
        self,
        source: SliceSource,
        images: Path,
        options: ImportOptions,
        groups: Mapping[str, str | None],
    ) -> None:
        self._source, self._options, self._groups = source, options, groups
        self._window = options.window
        self.window_used = "none: 8-bit images as they are" if source.ready else "the files' own"
        self.skipped: list[str] = []
        self.dropped: set[int] = set()
        self.items: dict[int, SourceSlice] = {}
        if source.ready and (options.window is not None or options.channels is not None):
            raise InputError(f"{images}: the images are 8-bit grey already; leave --window out")
        if not source.ready and options.pictures is None:
            if isinstance(source, ImageFolder):
                for item in source.slices:
                    read_image(item.key[0])  # says which one is too deep
            raise InputError(
                f"{images}: is not a folder of 8-bit images ({source.form});"
                " turn it into one with fewshot convert --window"
            )

    @property
    def one_window(self) -> Window | None:
        """The window of all slices, once they are read."""
        return self._window if isinstance(self._window, Window) else None

    def pictures(self) -> list[SliceRecord]:
        """Return a record for each readable slice; the id is the integer stem or the rank."""
        window = self._window
        records = self._read()
        if window is None and self._window is not None and len(records) > 1:
            # One slice does not say how it is displayed, so all get the same window.
            records = self._read()
        return records

    def _read(self) -> list[SliceRecord]:
        items = self._source.slices
        records = []
        self.skipped.clear()
        for image_id, item in zip(_image_ids([item.name for item in items]), items, strict=True):
            try:
                check_plain(item.name, f"{item.where}: the file name")
                check_plain(self._groups[item.name] or "", f"{item.where}: the group")
                check_plain(item.volume or "", f"{item.where}: the volume")
                picture = self._picture(item)
            except InputError as error:
                self._bad(error)
                continue
            record = self._record(image_id, item, picture)
            if not self._source.ready and self._options.pictures and self._options.write:
                write_image(self._options.pictures / item.name, np.ascontiguousarray(picture))
            self.items[image_id] = item
            records.append(record)
        return records

    def masks(self, records: Sequence[SliceRecord], labels: LabelSource) -> dict[int, SliceMasks]:
        """Return the masks of the slices that have a label."""
        masks: dict[int, SliceMasks] = {}
        structures = labels.structures or self._options.structures
        for record in records:
            try:
                item = self.items[record.image_id]
                maps = labels.label_maps(item, record.height, record.width)
            except InputError as error:
                self._bad(error)
                self.dropped.add(record.image_id)
                continue
            for ids in maps:
                if ids.any():
                    one = SliceMasks.from_label_map(record.image_id, ids, structures=structures)
                    before = masks.get(record.image_id)
                    masks[record.image_id] = before.joined(one) if before is not None else one
        return masks

    def _picture(self, item: SourceSlice) -> NDArray[np.uint8]:
        """Return a slice as written, (height, width), or (height, width, 3) in colour."""
        if self._options.channels is not None:
            self.window_used = " | ".join(str(window) for window in self._options.channels)
            planes = [self._source.picture(item, window) for window in self._options.channels]
            return np.stack([plane for plane in planes if plane is not None], axis=2)
        if isinstance(self._window, str):
            self._set_window(self._window)
        picture = self._source.picture(item, self._window)  # type: ignore[arg-type]
        if picture is None:
            self._set_window("percentile")
            picture = self._source.picture(item, self._window)  # type: ignore[arg-type]
        if picture is None:
            raise InputError(f"{item.where}: cannot be shown as grey")
        if isinstance(self._window, Window) and self._options.window == self._window:
            self.window_used = str(self._window)
        return picture

    def _set_window(self, how: Auto) -> None:
        """Choose one window for all slices, so that equal values stay equal between them."""
        items = self._source.slices
        if isinstance(self._source, ImageFolder):
            items = self._source.deep or items
        step = 1 if how == "minmax" else -(-len(items) // _SAMPLED)
        self._window = auto_window(self._values(items[::step]), how)
        self.window_used = f"{self._window} ({how} of {len(items[::step])} slices)"

    def _values(self, items: Sequence[SourceSlice]) -> Iterator[NDArray[Any]]:
        for item in items:
            try:
                yield self._source.values(item)
            except InputError:
                if not self._options.skip_bad:
                    raise

    def _record(self, image_id: int, item: SourceSlice, picture: NDArray[np.uint8]) -> SliceRecord:
        height, width = picture.shape[:2]
        place = item.known() | {"group": self._groups[item.name]}
        return SliceRecord(image_id, item.name, height, width, **place)

    def _bad(self, error: InputError) -> None:
        if not self._options.skip_bad:
            raise error
        self.skipped.append(str(error))


def _image_ids(names: Sequence[str]) -> Sequence[int]:
    """Return the stems as integers if they are distinct, otherwise the slices' ranks."""
    stems = [image_stem(name) for name in names]
    if all(stem.isdecimal() and len(stem) < _LONGEST_ID for stem in stems):
        ids = [int(stem) for stem in stems]
        if len(set(ids)) == len(ids):
            return ids
    return range(len(names))


def _check_columns(
    labels: Path,
    images: Path,
    table: TableLabels,
    records: Sequence[SliceRecord],
    skipped: bool,
) -> None:
    without_column, without_image = unmatched([record.file_name for record in records], table.names)
    differences = (("no image", [] if skipped else without_image), ("no column", without_column))
    for what, names in differences:
        if names:
            raise InputError(
                f"{labels}: its columns and the images of {images} do not match: "
                f"{what} for {name_a_few(names)}; give the labels that belong to these images"
            )


def _boxes(
    labels: Path,
    source: SliceSource,
    records: Sequence[SliceRecord],
    renamed: Renamed | None,
) -> dict[int, list[Box]]:
    """Return the boxes by image id; patientId is the name of a slice, file or patient."""
    table = read_box_table(labels)
    found = match_names(slice_names(source, renamed), table)
    patient = {image: name for name, image in found.items()}
    boxes: dict[int, list[Box]] = {}
    used: set[str] = set()
    for record in records:
        name = patient.get(record.file_name, record.group or "")
        if name in table:
            boxes[record.image_id] = table[name]
            used.add(name)
    strange = sorted(table.keys() - used)
    if strange:
        raise InputError(f"{labels}: no image for patientId {name_a_few(strange)}")
    return boxes
