"""`fewshot phantom` and `fewshot convert`."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, Out, Seed, print_json, refuse_filled
from fewshot.errors import InputError

Images = Annotated[Path, typer.Option("--images", help="Folder of slices: 0.png, 1.png, …")]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", help="Label CSV (.csv or .csv.gz); all-zero columns are unlabelled."),
]
Groups = Annotated[
    Path | None, typer.Option("--groups", help="CSV of image and patient, for a split by patient.")
]


def phantom(
    out: Out,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of a slice, pixels.")] = 128,
    labelled: Annotated[int, typer.Option(min=4, help="Labelled training slices.")] = 24,
    unlabelled: Annotated[int, typer.Option(min=0, help="Unlabelled training slices.")] = 60,
    test: Annotated[int, typer.Option(min=1, help="Test slices.")] = 24,
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Make up CT-like slices with labels, in the challenge's form."""
    from fewshot.config.tree import PhantomData
    from fewshot.pipeline.datasets import make_phantom, phantom_files

    refuse_filled(out)
    settings = PhantomData(
        size=size, labelled=labelled, unlabelled=unlabelled, test=test, seed=seed
    )
    make_phantom(settings, out)
    if json_:
        files = {key: str(path) for key, path in phantom_files(out).items()}
        print_json({"labelled": labelled, "unlabelled": unlabelled, "test": test, **files})


def convert(
    images: Images,
    out: Out,
    labels: Labels = None,
    groups: Groups = None,
    test: Annotated[
        bool, typer.Option("--test", help="One file test.json, nothing is split off.")
    ] = False,
    validation_fraction: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Part of the labelled slices to validate on.")
    ] = 0.2,
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Turn images and a label CSV into two-class COCO files.

    Writes train.json, validation.json and unlabelled.json; test.json with --test; unlabelled.json
    alone when there are no labels.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.pipeline import datasets

    if not images.is_dir():
        raise InputError(f"--images {images}: no such folder")
    refuse_filled(out)
    if test or labels is None:
        target = out / (datasets.TEST if test else datasets.UNLABELLED)
        datasets.convert_test(images, labels, target)
    else:
        files = datasets.TrainingFiles(images, labels, groups)
        datasets.convert_training(files, out, validation_fraction, seed)
    if json_:
        print_json({path.stem: len(read_coco(path)) for path in sorted(out.glob("*.json"))})
