"""Masks of slices in the forms of other tools: label maps as PNGs, and COCO results."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.coco_write import ORGAN_CATEGORY
from fewshot.masks.merge import MergeRule, merge_masks, merge_structures
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.arrays import LabelMap


def label_maps(
    slices: SliceSet, records: Iterable[SliceRecord], rule: MergeRule
) -> Iterator[tuple[SliceRecord, LabelMap]]:
    """Yield slices with their merged label maps, uint8, or uint16 for structures.

    If every mask of the set knows its structure (`fewshot volume` links them), ids are those of the
    structures. Otherwise they run from 1 by score on each slice, as in a submission: the same
    structure may have another id on the next slice.

    >>> masks = SliceMasks.from_label_map(7, np.array([[0, 4, 4]]))
    >>> slices = SliceSet(Path("images"), (SliceRecord(7, "a.png", 1, 3),), {7: masks})
    >>> for record, label_map in label_maps(slices, slices.records, MergeRule()):
    ...     print(record.file_name, label_map.tolist())
    a.png [[0, 1, 1]]
    """
    structures = slices.has_structures
    for record in records:
        masks = slices.masks_of(record.image_id)
        yield record, merge_structures(masks, rule) if structures else merge_masks(masks, rule)


def write_label_pngs(folder: Path, slices: SliceSet, rule: MergeRule) -> list[Path]:
    """Write the label map of every slice below `folder`, as the image's name with suffix .png.

    8-bit grey, or 16-bit if an id is above 255; 0 is background, slices without masks are all 0.
    Returns the files. Raises `InputError` if two slices would have the same file.
    """
    names = {record.image_id: _label_name(record) for record in slices.records}
    first: dict[PurePosixPath, str] = {}
    for record in slices.records:
        other = first.setdefault(names[record.image_id], record.file_name)
        if other != record.file_name:
            raise InputError(
                f"image {record.image_id}: {record.file_name!r} and {other!r} would both be "
                f"{str(names[record.image_id])!r}; rename one"
            )
    written = []
    for record, label_map in label_maps(slices, slices.records, rule):
        target = folder / names[record.image_id]
        target.parent.mkdir(parents=True, exist_ok=True)
        deep = label_map.max() > 255
        Image.fromarray(label_map if deep else label_map.astype(np.uint8)).save(
            target, format="PNG"
        )
        written.append(target)
    return written


def write_coco_results(target: Path, slices: SliceSet, score_threshold: float) -> int:
    """Write the masks with at least this score as COCO results; return their number.

    One entry a mask: `image_id` and `category_id` as in the COCO file, `segmentation` as compressed
    RLE, `score` with 6 decimals, `bbox` as [x, y, width, height] in pixels. pycocotools' `loadRes`
    fails on an empty list, and takes areas from the boxes, which changes average precision by size.
    """
    count = 0
    with target.open("w", encoding="ascii", newline="\n") as out:
        for entry in _entries(slices, score_threshold):
            out.write(",\n" if count else "[\n")
            out.write(json.dumps(entry, allow_nan=False))
            count += 1
        out.write("\n]\n" if count else "[]\n")
    return count


def overlapping(slices: SliceSet, rule: MergeRule) -> int:
    """Return the number of slices on which masks with at least the rule's score overlap."""
    return sum(
        _overlap(slices.masks_of(record.image_id).above(rule.score_threshold))
        for record in slices.records
    )


def _overlap(masks: SliceMasks) -> bool:
    if len(masks) < 2:
        return False
    # On runs: decoding every mask would take as long as the export itself.
    together = coco_mask.area(coco_mask.merge(list(masks.rles)))
    return bool(masks.areas().sum() > together)


def _label_name(record: SliceRecord) -> PurePosixPath:
    name = PurePosixPath(record.file_name)
    if not name.name:
        raise InputError(f"image {record.image_id}: {record.file_name!r} is no file name")
    return name.with_suffix(".png")


def _entries(slices: SliceSet, score_threshold: float) -> Iterator[dict[str, Any]]:
    for record in sorted(slices.records, key=lambda record: record.image_id):
        masks = slices.masks_of(record.image_id).above(score_threshold)
        for rle, score, box in zip(masks.rles, masks.scores, masks.boxes, strict=True):
            x0, y0, x1, y1 = box.tolist()
            yield {
                "image_id": record.image_id,
                "category_id": ORGAN_CATEGORY,
                "segmentation": rle,
                "score": round(float(score), 6),
                "bbox": [round(side, 2) for side in (x0, y0, x1 - x0, y1 - y0)],
            }
