"""`fewshot convert`: images and labels of any form to COCO files and 8-bit slices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.config.names import TEST, UNLABELLED
from fewshot.folders import filled_folder
from fewshot.importing import datasets
from fewshot.importing.pseudonyms import FILE, renaming_by, under_pseudonyms
from fewshot.importing.slices import Imported, ImportOptions, import_slices
from fewshot.masks.coco import SliceSet
from fewshot.masks.coco_write import write_boxes
from fewshot.progress import say, warn
from fewshot.slices.numbering import gap_note

PICTURES = "images"
BOXES = "boxes.json"
CHECK = "check.png"

Draw = Callable[[Path, Mapping[str, SliceSet]], object]


@dataclass(frozen=True)
class ConvertRequest:
    """What to convert, and how; `options.pictures` is set by `convert`.

    Patients identified in file headers get pseudonyms, unless `keep_ids`.
    """

    images: Path
    labels: Path | None
    groups: Path | None
    test: bool
    validation_fraction: float
    seed: int
    options: ImportOptions
    keep_ids: bool = False


def convert(
    request: ConvertRequest, out: Path, overwrite: bool = False, draw: Draw | None = None
) -> dict[str, Any]:
    """Write the COCO files, and the slices as PNGs unless they are a folder of 8-bit images.

    All or nothing. `draw` makes `check.png` from the sets of slices by name. Returns the number of
    slices by file and, as `found`, a description of the data.
    """
    key = out.resolve().parent / FILE
    with filled_folder(out, overwrite) as folder:
        pictures = folder / PICTURES
        options = replace(request.options, pictures=pictures, tell=False)
        if not request.keep_ids:
            options = replace(options, renaming=renaming_by(key))
        imported = import_slices(request.images, request.labels, request.groups, options)
        parts, lines = _parts(imported.slices, request, imported)
        if imported.patients and not request.keep_ids:
            imported, parts, lines = under_pseudonyms(imported, parts, lines, pictures, key)
        found = describe(imported)
        for line in (*imported.remarks, *imported.warnings):
            warn(line)
        for line in _gaps(imported.slices) if imported.skipped else ():
            warn(line)
        for line in [*report(found), *(f"data: {one}" for one in lines)]:
            say(line)
        if draw is not None:
            draw(folder / CHECK, {Path(name).stem: part for name, part in parts.items()})
        if imported.slices.images == pictures:  # where they will be when the folder is complete
            parts = {name: replace(part, images=out / PICTURES) for name, part in parts.items()}
        datasets.write_datasets(parts, folder)
        if imported.label_form == "box table":
            every = next(iter(parts.values()))
            write_boxes(folder / BOXES, every, imported.boxes, "boxes without masks")
    if draw is not None:
        say(f"check: look at {out / CHECK}")
    return {**{Path(name).stem: len(part) for name, part in parts.items()}, "found": found}


def _parts(
    slices: SliceSet, request: ConvertRequest, imported: Imported
) -> tuple[dict[str, SliceSet], list[str]]:
    if request.test:
        return {TEST: slices}, []
    if request.labels is None or imported.label_form == "box table":
        return {UNLABELLED: slices}, []
    files = datasets.TrainingFiles(request.images, request.labels, request.groups)
    return datasets.divide(slices, files, request.validation_fraction, request.seed)


def describe(imported: Imported) -> dict[str, Any]:
    """Return what was found as plain values: sizes in pixels, spacing in mm (row, column)."""
    slices = imported.slices
    structures = [len(masks) for masks in slices.masks.values() if len(masks)]
    spacings = sorted({record.spacing for record in slices.records if record.spacing is not None})
    return {
        "form": imported.form,
        "slices": len(slices),
        "sizes": [list(size) for size in sorted({(r.height, r.width) for r in slices.records})],
        "spacing": [[round(side, 4) for side in spacing] for spacing in spacings],
        "volumes": {name: list(volume.shape) for name, volume in slices.volumes.items()},
        "groups": len({record.group for record in slices.records if record.group is not None}),
        "labels": imported.label_form,
        "labelled": len(structures),
        "structures": [min(structures), float(np.mean(structures).round(1)), max(structures)]
        if structures
        else None,
        "boxes": sum(len(boxes) for boxes in imported.boxes.values()),
        "window": imported.window,
        "skipped": list(imported.skipped),
        "remarks": list(imported.remarks),
        "notes": list(imported.notes),
        "warnings": list(imported.warnings),
    }


def report(found: dict[str, Any]) -> list[str]:
    """Return what was found as lines of text."""
    sizes = ", ".join(f"{height} x {width}" for height, width in found["sizes"][:3])
    more = f" and {len(found['sizes']) - 3} other sizes" if len(found["sizes"]) > 3 else ""
    lines = [f"found: {found['form']}, {found['slices']} slices of {sizes}{more} pixels"]
    if found["spacing"]:
        row, column = found["spacing"][0]
        lines[0] += f", {row:g} x {column:g} mm" + (" and others" if found["spacing"][1:] else "")
    if found["volumes"]:
        lines[0] += f", volumes: {len(found['volumes'])}"
    if found["groups"]:
        lines[0] += f", groups: {found['groups']}"
    if found["labels"] == "box table":
        lines.append(f"labels: box table, {found['boxes']} boxes without masks, in {BOXES}")
    elif found["labels"]:
        fewest, mean, most = found["structures"] or (0, 0, 0)
        lines.append(
            f"labels: {found['labels']}, {found['labelled']} slices labelled, "
            f"{fewest} to {most} structures a slice (mean {mean:g})"
        )
    lines.append(f"window: {found['window']}")
    lines += datasets.shortened(found["notes"])
    return lines + [f"skipped: {reason}" for reason in found["skipped"]]


def _gaps(slices: SliceSet) -> list[str]:
    """Return a line for each volume with missing slices."""
    indices: dict[str, list[int]] = {}
    for record in slices.records:
        if record.volume is not None and record.index is not None:
            indices.setdefault(record.volume, []).append(record.index)
    notes = (gap_note(found, f"volume {name!r}") for name, found in indices.items())
    return [note for note in notes if note is not None]
