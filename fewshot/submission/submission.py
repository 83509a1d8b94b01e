"""Writing the challenge's submission, and scoring one against the true label maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.metrics.rand import RandSummary, score_slice, summarise
from fewshot.slices.images import image_stem, in_slice_order, name_a_few
from fewshot.slices.label_csv import LabelTable, read_label_csv, write_label_csv
from fewshot.slices.label_rows import LabelForm


def write_submission(
    path: Path,
    names: Sequence[str],
    label_maps: Sequence[NDArray[np.integer[Any]]],
    form: LabelForm = "named",
) -> None:
    """Write label maps as a submission: one column per image, in slice order (9 before 10).

    `label_maps` holds one map of shape (height, width), ids 0 to 255, per name, in any order.
    Raises `InputError` as `write_label_csv`.
    """
    if len(names) != len(label_maps):
        raise InputError(
            f"{path}: {len(names)} names for {len(label_maps)} label maps; give one map per name"
        )
    map_of = dict(zip(names, label_maps, strict=True))
    if len(map_of) != len(names):
        raise InputError(f"{path}: an image is given twice; keep one label map per image")
    ordered = in_slice_order(names)
    write_label_csv(path, ordered, [map_of[name] for name in ordered], form)


def score_submission(truth: Path, submission: Path) -> RandSummary:
    """Return both adjusted Rand indices of a submission, per image and averaged.

    Both files are label CSVs in either form; columns are matched by image name, in any order, and
    the scores carry the truth's names. Pixels are compared as they stand, so sizes need not be
    square. Raises `InputError` for a broken file, missing or extra images, or another pixel count.
    """
    true_table, table = read_label_csv(truth), read_label_csv(submission)
    _check_images(true_table, table)
    row_of = {image_stem(name): row for row, name in enumerate(table.names)}
    return summarise(
        {
            name: score_slice(true_pixels, table.pixels[row_of[image_stem(name)]])
            for name, true_pixels in zip(true_table.names, true_table.pixels, strict=True)
        }
    )


def _check_images(truth: LabelTable, submission: LabelTable) -> None:
    missing, extra = unmatched(truth.names, submission.names)
    if missing:
        raise InputError(
            f"{submission.source}: no column for {name_a_few(missing)};"
            f" write one for each of the {len(truth.names)} images in {truth.source}"
        )
    if extra:
        raise InputError(
            f"{submission.source}: {name_a_few(extra)} not in {truth.source}; remove from the file"
        )
    expected, found = truth.pixels.shape[1], submission.pixels.shape[1]
    if expected != found:
        raise InputError(
            f"{submission.source}: {found} pixel rows where {truth.source} has {expected};"
            " write the label maps at the size of the images"
        )


def unmatched(expected: Sequence[str], found: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the images missing from `found` and those it has beyond `expected`, by stem."""
    expected_stems = {image_stem(name) for name in expected}
    found_stems = {image_stem(name) for name in found}
    return (
        [name for name in expected if image_stem(name) not in found_stems],
        [name for name in found if image_stem(name) not in expected_stems],
    )
