"""Checking a submission before it is sent: what is wrong with it, and where."""

import math
from dataclasses import dataclass
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.images import image_size, image_stem, in_slice_order, list_images, name_a_few
from fewshot.slices.label_csv import LabelTable, read_label_csv
from fewshot.slices.label_rows import LabelLayout, read_layout
from fewshot.submission.orientation import orientation_findings
from fewshot.submission.submission import unmatched


@dataclass(frozen=True)
class Findings:
    """What a check found, one line each: `errors` spoil a submission, `warnings` may be meant."""

    errors: list[str]
    warnings: list[str]


def validate_submission(
    path: Path, images: Path | None = None, reference: Path | None = None
) -> Findings:
    """Return what is wrong with a submission; no errors mean it can be sent.

    Checks that the file reads as a label CSV (rows of equal length, index in order, integers from 0
    to 255), that header and index are both of the named or both of the plain form, and that the
    columns stand in slice order; warns of columns that are all zero. With `images`, the folder of
    slices it is for, also that it has exactly their columns and their number of pixels; without,
    that the pixels fill a square. Masks that fit much better when transposed are an error: fit is
    agreement with `reference`, a label CSV of the same or similar images, or without one the edges
    in the images.

    Raises `InputError` when there is no such file, or the images or the reference cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        layout = read_layout(path)
        table = read_label_csv(path)
    except InputError as error:
        return Findings([str(error)], [])
    errors = [*_header_findings(layout), *_order_findings(layout)]
    paths = None if images is None else list_images(images)
    wrong_size = _square_findings(table) if paths is None else _size_findings(table, paths)
    errors += wrong_size if paths is None else [*_name_findings(table, paths), *wrong_size]
    if not wrong_size and (paths or reference):
        known = None if reference is None else read_label_csv(reference)
        errors += orientation_findings(table, paths or [], known)
    return Findings(
        [f"{path}: {finding}" for finding in errors],
        [f"{path}: {finding}" for finding in _empty_findings(table)],
    )


def _empty_findings(table: LabelTable) -> list[str]:
    empty = [name for name, ids in zip(table.names, table.pixels, strict=True) if not ids.any()]
    if not empty:
        return []
    return [
        f"{len(empty)} of {len(table.names)} columns are all zero ({name_a_few(empty)}):"
        " nothing was found on these images, or they are unlabelled"
    ]


def _header_findings(layout: LabelLayout) -> list[str]:
    findings = []
    if layout.first_cell:
        findings.append(
            f"line 1, column 1: {layout.first_cell!r} where the cell belongs empty; clear it"
        )
    named = [name for name in layout.names if image_stem(name) != name]
    plain = [name for name in layout.names if image_stem(name) == name]
    if named and plain:
        findings.append(
            f"line 1: both names with a suffix ({name_a_few(named, 1)}) and without"
            f" ({name_a_few(plain, 1)}); write all as 0.png or all as 0"
        )
    elif named and layout.index == "plain":
        findings.append("line 2: index '0' under image names; write 'Pixel 0', 'Pixel 1', ...")
    elif plain and layout.index == "named":
        findings.append("line 2: index 'Pixel 0' under plain image numbers; write '0', '1', ...")
    return findings


def _order_findings(layout: LabelLayout) -> list[str]:
    ordered = in_slice_order(layout.names)
    for number, (name, expected) in enumerate(zip(layout.names, ordered, strict=True), start=2):
        if name != expected:
            return [
                f"line 1, column {number}: {name!r} where {expected!r} belongs;"
                " order the columns by image number"
            ]
    return []


def _square_findings(table: LabelTable) -> list[str]:
    pixels = table.pixels.shape[1]
    if math.isqrt(pixels) ** 2 == pixels:
        return []
    return [
        f"{pixels} pixel rows fill no square image; rows are missing or doubled,"
        " or give the folder of images to check their size"
    ]


def _name_findings(table: LabelTable, paths: list[Path]) -> list[str]:
    findings = []
    missing, extra = unmatched([path.name for path in paths], table.names)
    if missing:
        findings.append(f"no column for {name_a_few(missing)}; add one for each image")
    if extra:
        findings.append(f"no image for column {name_a_few(extra)}; remove it")
    return findings


def _size_findings(table: LabelTable, paths: list[Path]) -> list[str]:
    sizes = {path.name: image_size(path) for path in paths}
    pixels = table.pixels.shape[1]
    wrong = [name for name, (height, width) in sizes.items() if height * width != pixels]
    if not wrong:
        return []
    height, width = sizes[wrong[0]]
    return [
        f"{pixels} pixel rows, but {name_a_few(wrong)} of the images are {height} x {width}"
        f" = {height * width} pixels; write the label maps at the size of the images"
    ]
