"""Reading the LGG segmentation data set of brain MRI: one folder per case.

`<case>/<case>_<n>.tif` is a slice of three channels (pre-contrast, FLAIR, post-contrast) and
`<case>/<case>_<n>_mask.tif` its binary mask.

Source of the data set: M. Buda, A. Saha and M. A. Mazurowski, Association of genomic subtypes of
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
from fewshot.slices.images import in_slice_order, read_colour, read_ids
from fewshot.slices.split import split_slices

_SUFFIXES = (".tif", ".tiff")
_MASK = "_mask"
_DATED = re.compile(r"(TCGA_[A-Za-z0-9]+_[A-Za-z0-9]+)_\d{8}")
_SLICE = re.compile(r".+_\d+")


def read_lgg(folder: Path, skip_bad: bool = False) -> tuple[SliceSet, list[str]]:
    """Return all slices of a folder of cases with their masks, and the reasons of skipped ones.

    Each connected region is a mask; `group` is the patient: a case's name without its date. Every
    file is read completely, as public copies contain broken ones. With `skip_bad` broken slices are
    skipped, with a one-line reason each.

    Without `skip_bad`, raises `InputError` with the first slice that cannot be read or has no mask,
    or mask that has no slice, another size or more than two values.
    """
    records: list[SliceRecord] = []
    masks: dict[int, SliceMasks] = {}
    bad: list[str] = []
    for image, mask in _pairs(folder):
        image_id = len(records)
        try:
            height, width, regions = _read(image, mask)
        except InputError as error:
            bad.append(str(error))
            continue
        name = image.relative_to(folder).as_posix()
        records.append(
            SliceRecord(image_id, name, height, width, group=_patient(image.parent.name))
        )
        masks[image_id] = SliceMasks.from_label_map(image_id, regions)
    if bad and not (skip_bad and records):
        more = f" (and {len(bad) - 1} more of {len(bad) + len(records)})" if len(bad) > 1 else ""
        raise InputError(f"{bad[0]}{more}; repair it, or skip such slices with --skip-bad")
    return SliceSet(folder, tuple(records), masks), bad


def split_lgg(
    slices: SliceSet, seed: int, validation: float = 0.1, test: float = 0.1
) -> tuple[SliceSet, SliceSet, SliceSet]:
    """Return training, validation and test slices, split by patient.

    `validation` and `test` are fractions of all slices, reached as closely as patients allow.
    Raises `InputError` for fewer than three patients.
    """
    groups = {record.file_name: str(record.group) for record in slices.records}
    if len(set(groups.values())) < 3:
        raise InputError(f"{slices.images}: a split needs at least three patients")
    rest, tested = split_slices(list(groups), groups, test, seed)
    share = validation / (1 - test)
    train, validated = split_slices(rest, {name: groups[name] for name in rest}, share, seed)
    ids = {record.file_name: record.image_id for record in slices.records}
    first, second, third = (
        slices.subset(ids[name] for name in names) for names in (train, validated, tested)
    )
    return first, second, third


def _read(image: Path, mask: Path) -> tuple[int, int, NDArray[np.int32]]:
    """Return height, width and regions of a slice; `InputError` if it is bad."""
    if not image.exists():
        raise InputError(f"{mask}: a mask without its slice")
    if not mask.exists():
        raise InputError(f"{image}: has no mask {mask.name} next to it")
    height, width = read_colour(image).shape[:2]
    return height, width, _regions(mask, (height, width))


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each slice and its mask, one of which may be missing."""
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
        found = found or bool(images)
        masks = {stem.removesuffix(_MASK) for stem in files if stem.endswith(_MASK)}
        for stem in in_slice_order({*images, *masks}):
            beside = cases[case] / f"{stem}.tif", cases[case] / f"{stem}{_MASK}.tif"
            yield files.get(stem, beside[0]), files.get(stem + _MASK, beside[1])
    if not found:
        raise InputError(
            f"{folder}: contains no <case>/<case>_<n>.tif; give the folder of the cases' folders"
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
        raise InputError(f"{path}: has {len(levels)} values; a mask has 0 outside and one inside")
    regions: NDArray[np.int32] = ndimage.label(values)[0].astype(np.int32)
    return regions


def _patient(case: str) -> str:
    dated = _DATED.fullmatch(case)
    return dated[1] if dated else case
