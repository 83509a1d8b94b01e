"""From the challenge's files to two-class COCO datasets: the first stage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.config.tree import PhantomData
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import say
from fewshot.slices.groups import read_groups
from fewshot.slices.images import image_stem, list_images, name_a_few, read_image
from fewshot.slices.label_csv import LabelTable, read_label_csv
from fewshot.slices.phantom import PhantomSettings, write_phantom
from fewshot.slices.split import split_slices
from fewshot.submission.submission import unmatched

TRAIN, VALIDATION, UNLABELLED, TEST = (
    "train.json",
    "validation.json",
    "unlabelled.json",
    "test.json",
)
_LONGEST_ID = 16  # digits that any JSON reader keeps exactly are fewer


@dataclass(frozen=True)
class TrainingFiles:
    """Where the training slices, their label table and their groups are."""

    images: Path
    labels: Path
    groups: Path | None = None


def make_phantom(settings: PhantomData, folder: Path) -> None:
    """Write a phantom to `folder`, in the challenge's form."""
    write_phantom(folder, PhantomSettings(**settings.model_dump()))


def phantom_files(folder: Path) -> dict[str, Path]:
    """Return where the files of a phantom in `folder` are, by the keys of the data settings."""
    return {
        "train_images": folder / "X_train",
        "train_labels": folder / "Y_train.csv.gz",
        "groups": folder / "groups.csv",
        "test_images": folder / "X_test",
        "test_labels": folder / "Y_test.csv.gz",
    }


def convert_training(
    files: TrainingFiles,
    out: Path,
    validation_fraction: float,
    seed: int,
    labelled: int | None = None,
) -> None:
    """Write `train.json`, `validation.json` and `unlabelled.json` to the folder `out`.

    See `read_training`; nothing is written before all of the files were read and found right.
    """
    write_datasets(read_training(files, validation_fraction, seed, labelled), out)


def convert_test(images: Path, labels: Path | None, target: Path) -> None:
    """Write the test slices as COCO, with their labels where they are known."""
    write_datasets({target.name: read_test(images, labels)}, target.parent)


def write_datasets(datasets: Mapping[str, SliceSet], out: Path) -> None:
    """Write sets of slices as COCO files to the folder `out`, by the files' names."""
    for name, slices in datasets.items():
        write_coco(out / name, slices, f"{Path(name).stem} slices")
    sizes = (f"{len(slices)} {Path(name).stem}" for name, slices in datasets.items())
    say(f"data: {', '.join(sizes)} slices")


def read_training(
    files: TrainingFiles, validation_fraction: float, seed: int, labelled: int | None = None
) -> dict[str, SliceSet]:
    """Return the training, validation and unlabelled slices by the names of their COCO files.

    A slice is labelled when its column of the label table is not all zero. Labelled slices are
    split by group where groups are known. With `labelled`, only the first so many labelled slices
    keep their labels; the others join the unlabelled ones.
    """
    records = read_records(files.images, read_groups(files.groups) if files.groups else None)
    table = read_label_csv(files.labels)
    _check_columns(files, table, records)
    with_labels = [record for record in records if table.is_labelled(record.file_name)]
    if not with_labels:
        raise InputError(
            f"{files.labels}: no labelled slices (every column is zero); give labels for some"
        )
    if labelled is not None and labelled > len(with_labels):
        raise InputError(
            f"data.labelled: {labelled} wanted but only {len(with_labels)} slices are labelled"
        )
    with_labels = with_labels[:labelled]
    masks = labels_of(with_labels, table)
    groups = {record.file_name: record.group for record in with_labels if record.group is not None}
    names = [record.file_name for record in with_labels]
    try:
        train, validation = split_slices(names, groups or None, validation_fraction, seed)
    except InputError as error:
        raise InputError(f"{files.groups or files.labels}: {error}") from error
    everything = SliceSet(files.images, tuple(records), masks)

    def part(chosen: Collection[str]) -> SliceSet:
        return everything.subset(
            [record.image_id for record in records if record.file_name in chosen]
        )

    rest = {record.file_name for record in records} - set(names)
    return {
        TRAIN: part(set(train)),
        VALIDATION: part(set(validation)),
        UNLABELLED: part(rest),
    }


def read_test(images: Path, labels: Path | None) -> SliceSet:
    """Return the test slices, with their masks where labels are given."""
    records = read_records(images, None)
    if labels is None:
        return SliceSet(images, tuple(records), {})
    table = read_label_csv(labels)
    _check_columns(TrainingFiles(images, labels), table, records)
    return SliceSet(images, tuple(records), labels_of(records, table))


def read_records(images: Path, groups: Mapping[str, str] | None) -> list[SliceRecord]:
    """Return a record for each readable slice of a folder; the id is the integer stem or the rank.

    Every image is read once, so that an unreadable one is named before any work starts.
    """
    paths = list_images(images)
    ids = _image_ids(paths)
    by_stem = {image_stem(name): group for name, group in (groups or {}).items()}
    records = []
    for image_id, path in zip(ids, paths, strict=True):
        height, width = read_image(path).shape
        group = by_stem.get(image_stem(path.name))
        if groups is not None and group is None:
            raise InputError(f"{path}: has no group; add a row for it to the groups file")
        records.append(SliceRecord(image_id, path.name, height, width, group))
    return records


def labels_of(records: Sequence[SliceRecord], table: LabelTable) -> dict[int, SliceMasks]:
    """Return the masks of slices from a label table; `InputError` names the table on a misfit."""
    return {
        record.image_id: SliceMasks.from_label_map(
            record.image_id, table.label_map(record.file_name, record.height, record.width)
        )
        for record in records
    }


def _image_ids(paths: Sequence[Path]) -> Sequence[int]:
    """Return the stems as integers where they tell all slices apart, else the slices' ranks."""
    if all(path.stem.isdecimal() and len(path.stem) < _LONGEST_ID for path in paths):
        ids = [int(path.stem) for path in paths]
        if len(set(ids)) == len(ids):
            return ids
    return range(len(paths))


def _check_columns(files: TrainingFiles, table: LabelTable, records: Sequence[SliceRecord]) -> None:
    without_column, without_image = unmatched([record.file_name for record in records], table.names)
    differences = (("no image", without_image), ("no column", without_column))
    for what, names in differences:
        if names:
            raise InputError(
                f"{files.labels}: its columns and the images of {files.images} do not match: "
                f"{what} for {name_a_few(names)}; give the labels that belong to these images"
            )
