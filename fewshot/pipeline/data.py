"""The first stages: a phantom where the settings ask for one, and COCO files of the slices."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from fewshot.config.names import TEST
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from fewshot.config.tree import DataSettings
    from fewshot.importing.datasets import Labelled
    from fewshot.importing.slices import Imported, ImportOptions
    from fewshot.masks.coco import SliceSet

_TRAIN, _TEST = "data.train_images", "data.test_images"


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage that makes the phantom, if the settings ask for one, and the data stage."""
    phantom, source = layout.settings.data.phantom, layout.source
    read = cache(lambda: read_datasets(layout))

    def write() -> None:
        from fewshot.importing.datasets import write_datasets

        found = _with_pictures(layout) if layout.pictures else read()
        parts = {
            name: replace(
                part,
                images=layout.image_folder(f"data.{'test' if name == TEST else 'train'}_images"),
                home=layout.root,
            )
            for name, part in found.items()
        }
        write_datasets(parts, layout.data)

    how = {key: getattr(source, key) for key in ("window", "axis", "spacing")}
    convert = Stage(
        name="data",
        folder=layout.data,
        settings={
            "labelled": source.labelled,
            "labelled_patients": source.labelled_patients,
            "validation_fraction": source.validation_fraction,
            "seed": layout.settings.seed,
            **dict.fromkeys(layout.groups_off, "none"),
            **{key: value for key, value in how.items() if value is not None},
        },
        inputs=layout.source_files,
        outputs=[
            *(layout.train, layout.validation, layout.unlabelled),
            *([layout.test] if layout.has_test else []),
            *layout.pictures.values(),
        ],
        work=write,
        check=read if phantom is None else None,
    )
    return [convert] if phantom is None else [_phantom(layout), convert]


def _with_pictures(layout: RunLayout) -> dict[str, "SliceSet"]:
    """Write the slices that are no 8-bit images as such, and return all slices."""
    from shutil import rmtree

    for folder in layout.pictures.values():
        if folder.exists():
            rmtree(folder)
    return read_datasets(layout, write=True)


def _phantom(layout: RunLayout) -> Stage:
    def make() -> None:
        from fewshot.importing.datasets import make_phantom

        assert layout.settings.data.phantom is not None
        make_phantom(layout.settings.data.phantom, layout.phantom)

    assert layout.settings.data.phantom is not None
    return Stage(
        name="phantom",
        folder=layout.phantom,
        settings=layout.settings.data.phantom.model_dump(),
        inputs={},
        outputs=[*layout.source_files.values()],
        work=make,
    )


def _labelled(source: "DataSettings") -> "Labelled":
    from fewshot.importing.datasets import Patients

    if source.labelled_patients is not None:
        return Patients(source.labelled_patients)
    return None if source.labelled == "auto" else source.labelled


def read_datasets(layout: RunLayout, write: bool = False) -> dict[str, "SliceSet"]:
    """Return the slices of a run by the names of their COCO files.

    With `write`, those that are no 8-bit images are written as such, under pseudonyms for patients
    in file headers, and what was read of them is told; without, the others are told.
    Raises `InputError` for unusable files.
    """
    from fewshot.errors import InputError
    from fewshot.importing.datasets import TrainingFiles, read_test, read_training
    from fewshot.importing.pseudonyms import FILE
    from fewshot.importing.slices import Imported
    from fewshot.progress import warn

    source, key = layout.source, layout.root.resolve().parent / FILE
    if source.train_images is None:
        raise InputError("data: needs train_images")
    options = _options(layout, write)
    labels = source.train_labels or _labels_beside(source.train_images)
    read: list[Imported] = []
    parts = read_training(
        TrainingFiles(source.train_images, labels, source.groups),
        source.validation_fraction,
        layout.settings.seed,
        _labelled(source),
        read.append,
        options[_TRAIN],
        key,
    )
    if source.test_images is not None:
        of_test = options[_TEST]
        if read[0].one_window is not None and _TEST in layout.pictures:
            # Equal intensities are to be equal grey in training and test slices.
            of_test = replace(of_test, window=read[0].one_window)
        test = read_test(
            source.test_images,
            source.test_labels,
            source.test_groups,
            read.append,
            of_test,
            key,
        )
        _check_sizes(read[0].slices, test, source.test_images)
        parts |= {TEST: test}
    for name, one in zip((_TRAIN, _TEST), read, strict=False):
        _tell(name, one, written=name in layout.pictures, write=write)
    if write and source.test_images is not None and len(layout.pictures) == 1:
        of_train = _TRAIN in layout.pictures
        shown = ("training", "test") if of_train else ("test", "training")
        warn(
            f"{shown[0]} slices are made 8-bit through a window, {shown[1]} slices are 8-bit "
            "images as they are: equal tissue may not be equally grey"
        )
    return parts


def _tell(name: str, imported: "Imported", *, written: bool, write: bool) -> None:
    """Say how files were read, once: before the run starts, or when slices are written."""
    from fewshot.importing.convert import describe, report
    from fewshot.importing.datasets import tell
    from fewshot.progress import say, warn

    if not written:
        if not write:
            tell(imported)
    elif write:
        for line in (*imported.remarks, *imported.warnings):
            warn(line)
        for line in report(describe(imported)):
            say(f"{name}: {line}")


def _options(layout: RunLayout, write: bool) -> dict[str, "ImportOptions"]:
    """Return how training and test slices are read, by the settings that name them."""
    from fewshot.errors import InputError
    from fewshot.importing.slices import ImportOptions
    from fewshot.slices.window import parse_window

    source = layout.source
    try:
        window = None if source.window is None else parse_window(source.window)
    except InputError as error:
        raise InputError(f"data.window: {error}") from error
    return {
        key: ImportOptions(
            window,
            source.axis or "",
            pictures=layout.pictures.get(key),
            spacing=source.spacing,
            tell=key not in layout.pictures and not write,
            write=write,
        )
        for key in (_TRAIN, _TEST)
    }


def _labels_beside(images: "Path") -> "Path":
    """Return the images' own folder if labels lie in it, too: `a.png` and `a_mask.png`."""
    from fewshot.errors import InputError
    from fewshot.slices.label_names import labels_beside

    if images.is_dir() and labels_beside(one.name for one in images.iterdir() if one.is_file()):
        return images
    raise InputError(
        f"{images}: no labels are given (data.train_labels, --labels), and none lie beside the "
        "images (a.png, a_mask.png); give labels for some slices"
    )


def _check_sizes(train: "SliceSet", test: "SliceSet", images: "Path") -> None:
    """Refuse test slices of another size, unless pixels are known to be as large as in training."""
    from fewshot.errors import InputError

    known = {(record.height, record.width) for record in train.records}
    found = {(record.height, record.width) for record in test.records}
    spacings = {record.spacing for record in train.records}
    if len(known) > 1 or known & found:
        return
    if None not in spacings and spacings & {record.spacing for record in test.records}:
        return
    (height, width), (other_height, other_width) = min(known), min(found)
    raise InputError(
        f"{images}: test slices are {other_height} x {other_width} pixels, training slices "
        f"{height} x {width}; give test slices of the same size (data.test_images, --test)"
    )
