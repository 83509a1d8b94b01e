"""The work of the commands `sam embed`, `auto` and `prompt`, from files to files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.config.sam import AutomaticMaskSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco import SliceSet, check_images, write_coco
from fewshot.masks.coco_read import read_boxes
from fewshot.masks.merge import fill_nearest
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import average_precision
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import score_label_maps
from fewshot.progress import progress, say
from fewshot.sam.auto import automatic_masks
from fewshot.sam.decoder import answer_masks
from fewshot.sam.embeddings import Embedder
from fewshot.sam.prompts import Prompts, check_boxes, whole_slice
from fewshot.slices.box_table import is_box_table, read_box_table
from fewshot.slices.images import image_stem, name_a_few, read_image
from fewshot.submission.submission import write_submission


def embed(embedder: Embedder, slices: SliceSet) -> int:
    """Embed all slices into the embedder's folder; return the number of new embeddings."""
    check_images(slices)
    embedder.check_room(slices)
    megabytes = embedder.bytes_needed(slices) / 1e6
    say(f"{len(slices)} embeddings take {megabytes:.1f} MB in {embedder.number}")
    with progress(f"embedding with {embedder.model.name}", len(slices)) as advance:
        for _ in embedder.over(slices, advance):
            pass
    say(f"{embedder.encoded} embedded, {len(slices) - embedder.encoded} reused")
    return embedder.encoded


def find_automatic_masks(
    embedder: Embedder, slices: SliceSet, settings: AutomaticMaskSettings, out: Path
) -> dict[str, Any]:
    """Write the regions that the network finds: `masks.json` (COCO) and `submission.csv`.

    With `background: nearest` every pixel outside all regions gets the id of the nearest one in the
    CSV. The result contains scores where slices are labelled.
    """
    check_images(slices)
    found: list[SliceMasks] = []
    with progress(f"automatic masks by {embedder.model.name}", len(slices)) as advance:
        for record, features in embedder.over(slices):
            image = read_image(slices.path_of(record))
            found.append(
                automatic_masks(embedder.model, features, record.image_id, image, settings)
            )
            advance(len(found), f"{len(found[-1])} regions")
    maps = [masks.to_label_map() for masks in found]
    maps = [fill_nearest(one) for one in maps] if settings.background == "nearest" else maps
    names = [record.file_name for record in slices.records]
    write_coco(out / "masks.json", slices.with_masks(found), f"by {embedder.model.name}")
    write_submission(out / "submission.csv", names, maps)
    answer: dict[str, Any] = {"images": len(slices), "regions": sum(map(len, found))}
    if any(len(slices.masks_of(record.image_id)) for record in slices.records):
        truth = [slices.masks_of(record.image_id) for record in slices.records]
        labels = [one.to_label_map() for one in truth]
        pairs = zip(names, labels, maps, strict=True)
        scores = Scores.of({name: score_label_maps(*pair) for name, *pair in pairs}, slices.groups)
        answer |= scores.as_json()
        precision = average_precision(truth, {one.image_id: one for one in found})
        answer["average_precision"] = asdict(precision)
    write_json(out / "scores.json", answer)
    return answer


def read_prompt_boxes(path: Path, slices: SliceSet | None) -> tuple[SliceSet, dict[int, Any]]:
    """Return slices, and their boxes as x0, y0, x1, y1 by image id, from COCO or a box table.

    A COCO file lists its slices; a box table needs `slices`, and names them or their patients.
    Raises `InputError` for boxes of missing slices, empty boxes, and boxes outside their slices.
    """
    if not is_box_table(path):
        listed, boxes = read_boxes(path, None if slices is None else slices.images)
    elif slices is None:
        raise InputError(f"{path}: a box table does not name the slices' files; give --data, too")
    else:
        listed, boxes = slices, _of_table(path, slices)
    sizes = {record.image_id: (record.height, record.width) for record in listed.records}
    corners = {}
    for image_id, rows in boxes.items():
        sides = np.array(rows, dtype=np.float64).reshape(-1, 4)
        sides[:, 2:] += sides[:, :2]
        corners[image_id] = check_boxes(sides, *sizes[image_id], f"{path}: image {image_id}")
    return listed, corners


def _of_table(path: Path, slices: SliceSet) -> dict[int, Any]:
    table = read_box_table(path)
    found: dict[int, Any] = {}
    used: set[str] = set()
    for record in slices.records:
        stem = image_stem(Path(record.file_name).name)
        name = next((one for one in (stem, record.group or "") if one in table), None)
        if name is not None:
            used.add(name)
            found[record.image_id] = table[name]
    strange = sorted(table.keys() - used)
    if strange:
        raise InputError(f"{path}: no slice for patientId {name_a_few(strange)}")
    return found


def answer_boxes(
    embedder: Embedder, slices: SliceSet, boxes: Mapping[int, Any] | None, target: Path
) -> int:
    """Write the masks of box prompts as COCO; with None, of one box around each entire slice.

    Slices without a box are kept, without masks. Returns the number of masks.
    """
    check_images(slices)
    asked = slices if boxes is None else slices.subset([key for key in boxes if len(boxes[key])])
    found: list[SliceMasks] = []
    with progress(f"asking {embedder.model.name}", len(asked)) as advance:
        for record, features in embedder.over(asked, advance):
            size = record.height, record.width
            corners = whole_slice(*size) if boxes is None else boxes[record.image_id]
            masks, quality = answer_masks(embedder.model, features, Prompts(corners), size)
            # An empty mask is left out.
            seen = masks.any(axis=(1, 2))
            rles = rle_codec.encode_stack(masks[seen])
            found.append(
                SliceMasks.from_stack(
                    record.image_id,
                    masks[seen],
                    quality[seen],
                    rle_codec.boxes(rles),
                    embedder.model.name,
                )
            )
    write_coco(target, slices.with_masks(found), f"answers of {embedder.model.name} to boxes")
    return sum(map(len, found))
