"""From a run's files to two-class COCO datasets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.config.tree import PhantomData
from fewshot.errors import InputError
from fewshot.importing.pseudonyms import renaming_by, under_pseudonyms
from fewshot.importing.slices import Imported, ImportOptions, import_slices
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.progress import say, warn
from fewshot.slices.groups import is_off
from fewshot.slices.phantom import PhantomSettings, write_phantom
from fewshot.slices.split import split_slices
from fewshot.text import counted

_MOST_NOTES = 12


@dataclass(frozen=True)
class Patients:
    """Use the labels of the first so many patients, in file order."""

    count: int


# How many labels to use: of so many slices, of so many patients, or all.
Labelled: TypeAlias = int | Patients | None


@dataclass(frozen=True)
class TrainingFiles:
    """The paths of the training slices, their labels and their groups."""

    images: Path
    labels: Path
    groups: Path | None = None


def make_phantom(settings: PhantomData, folder: Path) -> None:
    """Write a phantom to `folder`, in the challenge's form."""
    write_phantom(folder, PhantomSettings(**settings.model_dump()))


def phantom_files(folder: Path) -> dict[str, Path]:
    """Return the files of a phantom in `folder`, by the keys of the data settings."""
    return {
        "train_images": folder / "X_train",
        "train_labels": folder / "Y_train.csv.gz",
        "groups": folder / "groups.csv",
        "test_images": folder / "X_test",
        "test_labels": folder / "Y_test.csv.gz",
        "test_groups": folder / "groups_test.csv",
    }


def write_datasets(datasets: Mapping[str, SliceSet], out: Path) -> None:
    """Write sets of slices to COCO files of these names in the folder `out`."""
    for name, slices in datasets.items():
        write_coco(out / name, slices, f"{Path(name).stem} slices")
    sizes = (f"{len(slices)} {Path(name).stem}" for name, slices in datasets.items())
    say(f"data: {', '.join(sizes)} slices")


def tell(imported: Imported) -> None:
    """Print how files were read, and warnings."""
    for line in imported.warnings:
        warn(line)
    for line in shortened(imported.notes):
        say(f"data: {line}")


def shortened(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and the number of further ones."""
    more = len(lines) - _MOST_NOTES
    return [*lines[:_MOST_NOTES], *([f"and {more} more lines such as these"] if more > 0 else [])]


def read_training(
    files: TrainingFiles,
    validation_fraction: float,
    seed: int,
    labelled: Labelled = None,
    telling: Callable[[Imported], None] = tell,
    options: ImportOptions | None = None,
    key: Path | None = None,
) -> dict[str, SliceSet]:
    """Return the training, validation and unlabelled slices by the names of their COCO files.

    See `divide`. Images and labels are of any form; images other than a folder of 8-bit ones need
    `options` that say where their slices are written. If there is no error, the notes on reading
    are printed. `key` is the file of pseudonyms, which patients in file headers get.
    """
    imported = import_slices(files.images, files.labels, files.groups, _renamed(options, key))
    parts, lines = divide(imported.slices, files, validation_fraction, seed, labelled)
    imported, parts, lines = _pseudonymous(imported, parts, lines, options, key)
    telling(replace(imported, notes=(*imported.notes, *lines)))
    return parts


def divide(
    slices: SliceSet,
    files: TrainingFiles,
    validation_fraction: float,
    seed: int,
    labelled: Labelled = None,
) -> tuple[dict[str, SliceSet], list[str]]:
    """Return training, validation and unlabelled slices by their COCO files' names, and remarks.

    A slice is labelled if it has a mask. Labelled slices are split by group if groups are known; if
    the images show only one patient, by volume or by slice. With `labelled`, only the first so many
    labelled slices, or all of the first so many patients, keep their labels; the others become
    unlabelled.
    """
    records = slices.records
    with_labels = [record for record in records if len(slices.masks_of(record.image_id))]
    if not with_labels:
        raise InputError(
            f"{files.labels}: no labelled slices (every label map is zero); give labels for some"
        )
    used = _used(with_labels, labelled, files)
    groups, flattered = _kept_together(used, known=files.groups is not None)
    names = [record.file_name for record in used]
    try:
        train, validation = split_slices(names, groups or None, validation_fraction, seed)
    except InputError as error:
        table = None if is_off(files.groups) else files.groups
        raise InputError(f"{table or files.labels}: {error}") from error
    ids = {record.file_name: record.image_id for record in records}
    rest, left = _elsewhere(
        slices, {ids[name] for name in validation}, {ids[name] for name in names}
    )
    patients = {record.group for record in used}
    of = "" if None in patients else f" of {counted(len(patients), 'patient')}"
    lines = [f"labels of {len(used)} slices{of} are used, {len(with_labels)} slices have some"]
    lines += [flattered] if flattered else []
    if left:
        lines.append(f"{left} slices without labels lie where validation slices do: left out")
    parts = {
        TRAIN: slices.subset(ids[name] for name in train),
        VALIDATION: slices.subset(ids[name] for name in validation),
        UNLABELLED: slices.subset(rest).with_masks([]),
    }
    return parts, lines


def _kept_together(used: Sequence[SliceRecord], *, known: bool) -> tuple[dict[str, str], str]:
    """Return the group of each slice for the split, and a line if the validation is optimistic.

    `known`: the groups are from a table, so that a single one is an error.
    """
    groups = {record.file_name: record.group for record in used if record.group is not None}
    if known or len(set(groups.values())) != 1:
        return groups, ""
    volumes = {record.file_name: record.volume for record in used if record.volume}
    if len(set(volumes.values())) > 1 and len(volumes) == len(used):
        return volumes, "one patient; whole volumes are split, so validation is flattered"
    return {}, "one patient or volume; its slices are split, so validation is flattered"


def _used(
    with_labels: Sequence[SliceRecord], labelled: Labelled, files: TrainingFiles
) -> list[SliceRecord]:
    """Return the labelled slices whose labels are used."""
    used = list(with_labels)
    if isinstance(labelled, Patients):
        patients = list(dict.fromkeys(record.group for record in with_labels))
        if None in patients:
            raise InputError(
                f"data.labelled_patients: {files.groups or files.images} does not tell which slice "
                "is of which patient; give data.groups, a table of image and patient"
            )
        if labelled.count > len(patients):
            raise InputError(
                f"data.labelled_patients: {labelled.count} wanted but the labelled slices are of "
                f"{len(patients)} patients"
            )
        chosen = set(patients[: labelled.count])
        used = [record for record in with_labels if record.group in chosen]
    elif labelled is not None:
        if labelled > len(with_labels):
            raise InputError(
                f"data.labelled: {labelled} wanted but only {len(with_labels)} slices are labelled"
            )
        used = used[:labelled]
    return used


def _elsewhere(slices: SliceSet, validation: set[int], labelled: set[int]) -> tuple[list[int], int]:
    """Return the unlabelled slices not at the place of a validation slice; count the others.

    Echoes, contrasts and time points of a patient may share a grid: validation slices would be
    learned from in another channel.
    """
    kept, left = [], 0
    taken = {
        place
        for record in slices.records
        if record.image_id in validation and (place := _place(record, slices)) is not None
    }
    for record in slices.records:
        if record.image_id in labelled:
            continue
        if _place(record, slices) in taken:
            left += 1
        else:
            kept.append(record.image_id)
    return kept, left


def _place(record: SliceRecord, slices: SliceSet) -> tuple[object, ...] | None:
    """Return the place of a slice in its patient, or None if unknown."""
    volume = slices.volumes.get(record.volume or "")
    if volume is None or record.group is None:
        return None
    affine = np.round(np.array(volume.affine), 2).ravel().tolist()
    return (record.group, volume.axis, volume.shape, *affine, record.index)


def read_test(
    images: Path,
    labels: Path | None,
    groups: Path | None = None,
    telling: Callable[[Imported], None] = tell,
    options: ImportOptions | None = None,
    key: Path | None = None,
) -> SliceSet:
    """Return the test slices, with masks and groups if files of these are given.

    `options` and `key` are as for `read_training`.
    """
    imported = import_slices(images, labels, groups, _renamed(options, key))
    imported, _, _ = _pseudonymous(imported, {}, [], options, key)
    telling(imported)
    return imported.slices


def _renamed(options: ImportOptions | None, key: Path | None) -> ImportOptions | None:
    """Return the options by which labels may be called by the pseudonyms of patients."""
    if options is None or key is None:
        return options
    return replace(options, renaming=renaming_by(key))


def _pseudonymous(
    imported: Imported,
    parts: dict[str, SliceSet],
    lines: list[str],
    options: ImportOptions | None,
    key: Path | None,
) -> tuple[Imported, dict[str, SliceSet], list[str]]:
    """Return what was read under pseudonyms, if its slices were written and tell patients."""
    if options is None or options.pictures is None or not options.write or key is None:
        return imported, parts, lines
    if not imported.patients:
        return imported, parts, lines
    return under_pseudonyms(imported, parts, lines, options.pictures, key)
