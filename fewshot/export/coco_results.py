"""Masks as COCO results: the list that pycocotools' `loadRes` and other tools read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.masks.coco import SliceSet
from fewshot.masks.coco_write import ORGAN_CATEGORY


def write_coco_results(target: Path, slices: SliceSet, score_threshold: float) -> int:
    """Write the masks of at least a score as COCO results; return how many there are.

    One entry a mask: `image_id` and `category_id` as in the COCO file the masks came from,
    `segmentation` as compressed RLE, `score` with 6 decimals, `bbox` as [x, y, width, height] in
    pixels. Masks may overlap. pycocotools' `loadRes` fails on a list without any mask, and takes an
    entry's area from its box: average precision by size of the object differs from the masks' own.
    """
    count = 0
    with target.open("w", encoding="ascii", newline="\n") as out:
        for entry in _entries(slices, score_threshold):
            out.write(",\n" if count else "[\n")
            out.write(json.dumps(entry, allow_nan=False))
            count += 1
        out.write("\n]\n" if count else "[]\n")
    return count


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
