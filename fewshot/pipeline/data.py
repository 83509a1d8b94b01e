"""The first stages: a phantom where the settings ask for one, and COCO files of the slices."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from fewshot.config.names import TEST
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.config.tree import DataSettings
    from fewshot.importing.datasets import Labelled
    from fewshot.masks.coco import SliceSet


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage that makes the phantom, if the settings ask for one, and the data stage."""
    phantom, source = layout.settings.data.phantom, layout.source
    read = cache(lambda: read_datasets(layout))

    def write() -> None:
        from fewshot.importing.datasets import write_datasets

        parts = {
            name: replace(
                part,
                images=layout.image_folder(f"data.{'test' if name == TEST else 'train'}_images"),
                home=layout.root,
            )
            for name, part in read().items()
        }
        write_datasets(parts, layout.data)

    convert = Stage(
        name="data",
        folder=layout.data,
        settings={
            "labelled": source.labelled,
            "labelled_patients": source.labelled_patients,
            "validation_fraction": source.validation_fraction,
            "seed": layout.settings.seed,
            **dict.fromkeys(layout.groups_off, "none"),
        },
        inputs=layout.source_files,
        outputs=[layout.train, layout.validation, layout.unlabelled, layout.test],
        work=write,
        check=read if phantom is None else None,
    )
    return [convert] if phantom is None else [_phantom(layout), convert]


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


def read_datasets(layout: RunLayout) -> dict[str, "SliceSet"]:
    """Return the slices of a run by the names of their COCO files.

    Raises `InputError` for unusable files.
    """
    from fewshot.errors import InputError
    from fewshot.importing.datasets import TrainingFiles, read_test, read_training, tell
    from fewshot.importing.slices import Imported

    source = layout.source
    if not (source.train_images and source.train_labels and source.test_images):
        raise InputError("data: needs train_images, train_labels and test_images")
    read: list[Imported] = []
    parts = read_training(
        TrainingFiles(source.train_images, source.train_labels, source.groups),
        source.validation_fraction,
        layout.settings.seed,
        _labelled(source),
        read.append,
    )
    test = read_test(source.test_images, source.test_labels, source.test_groups, read.append)
    for one in read:
        tell(one)
    return {**parts, TEST: test}
