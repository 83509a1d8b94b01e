"""Label maps as 8-bit PNGs, one a slice."""

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from fewshot.errors import InputError
from fewshot.export.label_maps import label_maps
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.merge import MergeRule


def write_label_pngs(folder: Path, slices: SliceSet, rule: MergeRule) -> list[Path]:
    """Write every slice's label map below `folder`, under the image's name with the suffix .png.

    8-bit grey, or 16-bit where a slice has the number of a structure above 255; 0 is background,
    ids are those of `label_maps`; slices without masks are all 0. Returns the files.
    Raises `InputError` when two slices would have the same file.
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


def _label_name(record: SliceRecord) -> PurePosixPath:
    name = PurePosixPath(record.file_name)
    if not name.name:
        raise InputError(f"image {record.image_id}: {record.file_name!r} is no file name")
    return name.with_suffix(".png")
