"""Boxes without masks, for prompting: a COCO file whose annotations have an empty segmentation.

`read_coco` refuses such a file, since what is to be learnt from must have masks.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.masks.coco_write import ORGAN_CATEGORY, write_document
from fewshot.masks.slice_set import SliceSet

Box = tuple[float, float, float, float]


def write_boxes(
    path: Path, slices: SliceSet, boxes: Mapping[int, Sequence[Box]], description: str
) -> None:
    """Write boxes, [x, y, width, height] in pixels by image id, as COCO without masks."""
    write_document(path, slices, description, _annotations(slices, boxes))


def _annotations(slices: SliceSet, boxes: Mapping[int, Sequence[Box]]) -> Iterator[dict[str, Any]]:
    number = 0
    for image_id in sorted(record.image_id for record in slices.records):
        for x, y, width, height in boxes.get(image_id, ()):
            number += 1
            yield {
                "id": number,
                "image_id": image_id,
                "category_id": ORGAN_CATEGORY,
                "segmentation": [],
                "area": round(width * height, 2),
                "bbox": [round(side, 2) for side in (x, y, width, height)],
                "iscrowd": 0,
            }
