"""Writing a set of slices as a COCO file."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewshot.files import atomic_path
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.slice_set import SliceRecord, SliceSet
from fewshot.text import check_plain

ORGAN_CATEGORY = 1
Box = tuple[float, float, float, float]


def write_coco(path: Path, slices: SliceSet, description: str) -> None:
    """Write slices and masks as COCO JSON, atomically; the same set gives the same bytes.

    Beyond COCO, `info` contains the folder of the images (absolute, or relative to the file if both
    are below the slices' `home`) and the `volumes` that slices were cut from; images have `group`,
    `volume`, `index`, `spacing` and `position` if known. Images are in order of id; annotations are
    numbered from 1 in order of image. Predictions also have `score` (6 decimals) and `source`, and
    masks of known structures their number, `structure`. Boxes are [x, y, width, height] with 2
    decimals, masks compressed RLE.
    """
    masks = (slices.masks.get(record.image_id) for record in _in_order(slices))
    write_document(path, slices, description, _annotations(one for one in masks if one is not None))


def write_masks(
    path: Path, slices: SliceSet, masks: Iterable[SliceMasks], description: str
) -> None:
    """Write slices with other masks than their own, like `write_coco`.

    The masks come in order of image id; only one slice's are in memory at a time.
    """
    known = {record.image_id: (record.height, record.width) for record in slices.records}

    def checked() -> Iterator[SliceMasks]:
        last = -1
        for one in masks:
            if one.image_id <= last or known.get(one.image_id) != (one.height, one.width):
                raise ValueError(f"image {one.image_id}: out of order, or not among the slices")
            last = one.image_id
            yield one

    write_document(path, slices, description, _annotations(checked()))


def write_boxes(
    path: Path, slices: SliceSet, boxes: Mapping[int, Sequence[Box]], description: str
) -> None:
    """Write boxes, [x, y, width, height] in pixels by image id, as COCO with empty segmentations.

    They are prompts: `read_coco` refuses such a file, since only masks can be learned from.
    """
    write_document(path, slices, description, _boxes(slices, boxes))


def write_document(
    path: Path, slices: SliceSet, description: str, annotations: Iterable[dict[str, Any]]
) -> None:
    """Write a COCO file of slices with these annotations, atomically.

    Raises `InputError` for names with control characters, which no reader takes.
    """
    for name in slices.volumes:
        check_plain(name, "volume")
    for record in slices.records:
        check_plain(record.file_name, f"image {record.image_id}: file_name")
        check_plain(record.group or "", f"image {record.image_id}: group")
    info: dict[str, Any] = {"description": description, "images": _images_of(slices, path)}
    if slices.volumes:
        info["volumes"] = {name: asdict(slices.volumes[name]) for name in sorted(slices.volumes)}
    categories = [{"id": ORGAN_CATEGORY, "name": "organ"}]
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as out:
        out.write(f'{{\n"info": {json.dumps(info, allow_nan=False)},\n"images": [')
        out.writelines(_lines(_images(slices)))
        out.write(f'],\n"categories": {json.dumps(categories)},\n"annotations": [')
        out.writelines(_lines(annotations))
        out.write("]\n}\n")


def _images_of(slices: SliceSet, path: Path) -> str:
    here, folder = path.parent.absolute(), slices.images.absolute()
    home = None if slices.home is None else slices.home.absolute()
    if home is None or not (here.is_relative_to(home) and folder.is_relative_to(home)):
        return str(folder.resolve())
    return os.path.relpath(folder, here)


def _lines(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield JSON array items, one a line, to be read and compared line by line."""
    separator = "\n"
    for entry in entries:
        yield separator + json.dumps(entry, allow_nan=False)
        separator = ",\n"
    yield "\n"


def _images(slices: SliceSet) -> Iterator[dict[str, Any]]:
    for record in _in_order(slices):
        entry = {
            "id": record.image_id,
            "file_name": record.file_name,
            "width": record.width,
            "height": record.height,
        }
        yield entry | record.known()


def _annotations(slices: Iterable[SliceMasks]) -> Iterator[dict[str, Any]]:
    number = 0
    for masks in slices:
        areas = masks.areas()
        for row in range(len(masks)):
            number += 1
            yield {"id": number, **_annotation(masks, row, int(areas[row]))}


def _annotation(masks: SliceMasks, row: int, area: int) -> dict[str, Any]:
    x0, y0, x1, y1 = masks.boxes[row].tolist()
    entry = {
        "image_id": masks.image_id,
        "category_id": ORGAN_CATEGORY,
        "segmentation": masks.rles[row],
        "area": area,
        "bbox": [round(side, 2) for side in (x0, y0, x1 - x0, y1 - y0)],
        "iscrowd": 0,
    }
    score, source = round(float(masks.scores[row]), 6), masks.sources[row]
    if source != "label" or score != 1.0:
        entry |= {"score": score, "source": source}
    if masks.structures:
        entry["structure"] = masks.structures[row]
    return entry


def _boxes(slices: SliceSet, boxes: Mapping[int, Sequence[Box]]) -> Iterator[dict[str, Any]]:
    number = 0
    for record in _in_order(slices):
        for x, y, width, height in boxes.get(record.image_id, ()):
            number += 1
            yield {
                "id": number,
                "image_id": record.image_id,
                "category_id": ORGAN_CATEGORY,
                "segmentation": [],
                "area": round(width * height, 2),
                "bbox": [round(side, 2) for side in (x, y, width, height)],
                "iscrowd": 0,
            }


def _in_order(slices: SliceSet) -> list[SliceRecord]:
    return sorted(slices.records, key=lambda record: record.image_id)
