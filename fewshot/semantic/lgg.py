"""Reading brain MRI in the form of the LGG segmentation data set: one folder a case.

`<case>/<case>_<n>.tif` is a slice of three channels (pre-contrast, FLAIR, post-contrast) and
`<case>/<case>_<n>_mask.tif` its binary mask.

Source of the form: M. Buda, A. Saha and M. A. Mazurowski, Association of genomic subtypes of
lower-grade gliomas with shape features automatically extracted by a deep learning algorithm,
Computers in Biology and Medicine 109, 2019.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import image_size, in_slice_order, read_ids
from fewshot.slices.split import split_slices

_SUFFIXES = (".tif", ".tiff")
_MASK = "_mask"
_DATED = re.compile(r"(TCGA_[A-Za-z0-9]+_[A-Za-z0-9]+)_\d{8}")
_SLICE = re.compile(r".+_\d+")


def read_lgg(folder: Path) -> SliceSet:
    """Return all slices of a folder of cases with their masks, one mask a connected region.

    `group` is the patient: a case's name without its date. Other files are passed over. Raises
    `InputError` naming the file for a slice without a mask, a mask without a slice or of another
    size, and one that is not binary.
    """
    records: list[SliceRecord] = []
    masks: dict[int, SliceMasks] = {}
    for image, mask in _pairs(folder):
        image_id = len(records)
        height, width = image_size(image)
        name = image.relative_to(folder).as_posix()
        regions = _regions(mask, (height, width))
        records.append(SliceRecord(image_id, name, height, width, _patient(image.parent.name)))
        masks[image_id] = SliceMasks.from_label_map(image_id, regions)
    return SliceSet(folder, tuple(records), masks)


def split_lgg(
    slices: SliceSet, seed: int, validation: float = 0.1, test: float = 0.1
) -> tuple[SliceSet, SliceSet, SliceSet]:
    """Return training, validation and test slices; no patient is on two sides.

    `validation` and `test` are the fractions of all slices that whole patients are to come nearest
    to. Raises `InputError` for fewer than three patients.
    """
    groups = {record.file_name: str(record.group) for record in slices.records}
    if len(set(groups.values())) < 3:
        raise InputError(f"{slices.images}: a split needs three patients or more")
    rest, tested = split_slices(list(groups), groups, test, seed)
    share = validation / (1 - test)
    train, validated = split_slices(rest, {name: groups[name] for name in rest}, share, seed)
    ids = {record.file_name: record.image_id for record in slices.records}
    first, second, third = (
        slices.subset(ids[name] for name in names) for names in (train, validated, tested)
    )
    return first, second, third


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    try:
        cases = {path.name: path for path in folder.iterdir() if path.is_dir()}
    except OSError as error:
        raise InputError(f"{folder}: not a readable folder of cases ({error.strerror})") from error
    found = False
    for case in in_slice_order(cases):
        files = {
            path.stem: path
            for path in cases[case].iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        }
        images = [stem for stem in files if not stem.endswith(_MASK) and _SLICE.fullmatch(stem)]
        for stem in files:
            if stem.endswith(_MASK) and stem.removesuffix(_MASK) not in images:
                raise InputError(f"{files[stem]}: a mask without its slice")
        for stem in in_slice_order(images):
            if stem + _MASK not in files:
                raise InputError(f"{files[stem]}: has no mask {stem}{_MASK}.tif beside it")
            found = True
            yield files[stem], files[stem + _MASK]
    if not found:
        raise InputError(
            f"{folder}: holds no <case>/<case>_<n>.tif; give the folder that the cases' folders "
            "are in"
        )


def _regions(path: Path, size: tuple[int, int]) -> NDArray[np.int32]:
    values = read_ids(path)
    if values.shape != size:
        raise InputError(
            f"{path}: is {values.shape[0]} x {values.shape[1]} pixels, its slice {size[0]} x "
            f"{size[1]}"
        )
    levels = np.unique(values)
    if len(levels) > 2 or (len(levels) == 2 and levels[0] != 0):
        raise InputError(f"{path}: holds {len(levels)} values; a mask is 0 outside and one inside")
    regions: NDArray[np.int32] = ndimage.label(values)[0].astype(np.int32)
    return regions


def _patient(case: str) -> str:
    dated = _DATED.fullmatch(case)
    return dated[1] if dated else case
