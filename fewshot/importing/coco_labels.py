"""Masks from a COCO file, for slices read from images of any form."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.coco_annotations import WrongAnnotations
from fewshot.masks.coco_values import last_part
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import name_a_few
from fewshot.slices.label_names import Renamed, match_names, slice_names
from fewshot.slices.remarks import remark
from fewshot.slices.sources.source import SliceSource

_PASSED = "fewshot convert --skip-bad passes over"


def coco_masks(
    labels: Path,
    source: SliceSource,
    records: Sequence[SliceRecord],
    skipped: list[str] | None = None,
    renamed: Renamed | None = None,
) -> dict[int, SliceMasks]:
    """Return the masks in a COCO file, by the ids of the slices.

    Images of the file are matched by the last part of their names; missing images are ignored if
    they have no annotations. With `skipped`, errors are skipped and appended to it.
    `renamed` is as for `slice_names`.
    Raises `InputError` for wrong annotations, and for annotations of images that are missing or of
    another size.
    """
    before = 0 if skipped is None else len(skipped)
    try:
        coco = read_coco(labels, source.path, skipped)
    except WrongAnnotations as error:
        raise InputError(f"{error}; {_PASSED} them") from error
    by_image = {one.image_id: last_part(one.file_name) for one in coco.records}
    wanted = slice_names(source, renamed)
    found = match_names(wanted, by_image.values())
    _check_all(labels, coco, by_image, found, wanted, skipped)
    by_slice = {record.file_name: record for record in records}
    masks: dict[int, SliceMasks] = {}
    for one in coco.records:
        record = by_slice.get(found.get(by_image[one.image_id], ""))
        theirs = coco.masks_of(one.image_id)
        if record is None or not len(theirs):
            continue
        if (one.height, one.width) != (record.height, record.width):
            turned = (one.width, one.height) == (record.height, record.width)
            hint = " as it is shown, turned by its EXIF orientation" if turned else ""
            _pass_over(
                f"{labels}: image {one.image_id} is {one.height} x {one.width}, "
                f"{record.file_name} is {record.height} x {record.width}{hint}; give the same size",
                skipped,
            )
        elif record.image_id in masks:
            raise InputError(
                f"{labels}: two of its images are {record.file_name}; give them different names"
            )
        else:
            masks[record.image_id] = replace(theirs, image_id=record.image_id)
    if skipped is not None and len(skipped) > before and not masks:
        raise InputError(f"{labels}: no annotation is left to read; the first: {skipped[before]}")
    return masks


def _check_all(
    labels: Path,
    coco: SliceSet,
    by_image: Mapping[int, str],
    found: Mapping[str, str],
    wanted: Mapping[str, Sequence[str]],
    skipped: list[str] | None,
) -> None:
    """Refuse, skip or report images of the file that are not among the slices."""
    strange = [image for image, name in by_image.items() if name not in found]
    if strange and len(strange) == len(by_image):
        raise InputError(
            f"{labels}: no image for {name_a_few([by_image[one] for one in strange])}; the images"
            f" are {name_a_few([names[0] for names in wanted.values()])}"
        )
    for image in strange:
        if len(coco.masks_of(image)):
            _pass_over(
                f"{labels}: no image for {by_image[image]!r}, which has annotations; add it",
                skipped,
            )
        else:
            remark(
                f"{labels} lists images that are not there, without annotations", by_image[image]
            )


def _pass_over(reason: str, skipped: list[str] | None) -> None:
    if skipped is None:
        raise InputError(f"{reason}, or {_PASSED} it")
    skipped.append(reason)
