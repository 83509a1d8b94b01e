"""Checking a submission before it is sent: what is wrong with it, and where."""

import math
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.images import image_size, image_stem, in_slice_order, list_images, name_a_few
from fewshot.slices.label_csv import LabelTable, read_label_csv
from fewshot.slices.label_rows import LabelLayout, read_layout
from fewshot.submission.submission import unmatched


def validate_submission(path: Path, images: Path | None) -> list[str]:
    """Return what is wrong with a submission, one line each; an empty list means it is fine.

    Checks that the file reads as a label CSV, that header and index are both of the named or both
    of the plain form, and that the columns stand in slice order. With `images`, the folder of
    slices it is for, also that it has exactly their columns and their number of pixels; without,
    that the pixels fill a square.

    Raises `InputError` when there is no such file, or the images cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        layout = read_layout(path)
        table = read_label_csv(path)
    except InputError as error:
        return [str(error)]
    findings = [*_header_findings(layout), *_order_findings(layout)]
    if images is None:
        findings += _square_findings(table)
    else:
        findings += _image_findings(table, list_images(images))
    return [f"{path}: {finding}" for finding in findings]


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


def _image_findings(table: LabelTable, paths: list[Path]) -> list[str]:
    findings = []
    missing, extra = unmatched([path.name for path in paths], table.names)
    if missing:
        findings.append(f"no column for {name_a_few(missing)}; add one for each image")
    if extra:
        findings.append(f"no image for column {name_a_few(extra)}; remove it")
    sizes = {path.name: image_size(path) for path in paths}
    pixels = table.pixels.shape[1]
    wrong = [name for name, (height, width) in sizes.items() if height * width != pixels]
    if wrong:
        height, width = sizes[wrong[0]]
        findings.append(
            f"{pixels} pixel rows, but {name_a_few(wrong)} of the images are {height} x {width}"
            f" = {height * width} pixels; write the label maps at the size of the images"
        )
    return findings
