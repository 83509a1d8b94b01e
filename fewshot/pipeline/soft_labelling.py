"""Soft-labelling of unlabelled slices by the radiologists: COCO files and an audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.run.layout import RunLayout
from fewshot.run.names import ANNOTATIONS, ASSIGNMENT, AUDIT, UNCERTAIN, WEIGHTS
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings

NAME = "soft-label"
EXPERIMENTS = {"precision_thresholds", "max_masks_per_slice"}


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage of the soft labels."""
    from fewshot.models.registry import modules_of

    settings, folder = layout.settings, layout.soft_labels.parent
    what = SoftLabelling(layout.data, layout.radiologist_models, layout.weights)
    read = [layout.unlabelled, layout.train, layout.validation, layout.weights]
    return [
        Stage(
            name="soft labels",
            folder=folder,
            settings={
                **settings.soft_labels.model_dump(exclude={"labelled_share"}),
                **settings.experimental.model_dump(include=EXPERIMENTS),
                "score_thresholds": _thresholds(settings),
                "seed": settings.seed,
                "device": settings.device,
            },
            inputs={
                **layout.files([*read, *layout.model_files(layout.radiologists)]),
                **layout.images,
            },
            outputs=[layout.soft_labels, layout.uncertain, layout.assignment, layout.audit],
            work=lambda: make_soft_labels(what, settings, folder),
            modules=modules_of(map(layout.model_settings, layout.radiologists)),
        )
    ]


@dataclass(frozen=True)
class SoftLabelling:
    """Inputs of soft-labelling: data folder, model folders by name, and weights."""

    data: Path
    models: Mapping[str, Path]
    weights: Path


def make_soft_labels(what: SoftLabelling, settings: "RunSettings", folder: Path) -> None:
    """Write soft labels, uncertain masks, assignment and audit, and print the audit.

    Raises `InputError` when weights and settings are of different radiologists.
    """
    from fewshot.masks.coco import check_images, read_coco, write_coco
    from fewshot.radiologists.audit import audit_soft_labels, print_audit
    from fewshot.radiologists.soft_labels import Radiologists, soft_label
    from fewshot.radiologists.weights import read_weights

    unlabelled = check_images(read_coco(what.data / UNLABELLED))
    validation = check_images(read_coco(what.data / VALIDATION))
    labelled = read_coco(what.data / TRAIN)
    weights = read_weights(what.weights)
    missing = set(weights) ^ set(what.models)
    if missing:
        raise InputError(
            f"{what.weights}: {sorted(missing)[0]!r} is either in this file or in the settings, "
            "not in both; give the settings that these radiologists were trained with"
        )
    radiologists = Radiologists(what.models, weights, _thresholds(settings), settings.device)
    soft = soft_label(
        unlabelled,
        labelled,
        validation,
        radiologists,
        settings.soft_labels,
        settings.seed,
        settings.experimental,
    )
    audit = audit_soft_labels(soft, labelled)
    write_coco(folder / ANNOTATIONS, soft.certain, "soft labels")
    write_coco(folder / UNCERTAIN, soft.uncertain, "masks to be ignored")
    write_json(folder / ASSIGNMENT, dict(soft.assignment))
    write_json(folder / AUDIT, audit.as_json())
    print_audit(audit)


def command(
    settings: "RunSettings",
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder with train.json and validation.json (see convert)."),
    ],
    radiologists: Annotated[Path, typer.Option(help="Folder that train-radiologists made.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what fewshot wrote to --out earlier.")
    ] = False,
) -> Any:
    """Let the radiologists label unlabelled.json; print and save an audit.

    Each labels its share of the slices, or all label every slice and vote
    (--set soft_labels.assignment=vote).
    """
    from fewshot.folders import filled_folder

    folders = {one.name: radiologists / one.name for one in settings.radiologists}
    with filled_folder(out, overwrite) as folder:
        sources = SoftLabelling(data, folders, radiologists / WEIGHTS)
        make_soft_labels(sources, settings, folder)
    return read_json(out / AUDIT)


def _thresholds(settings: "RunSettings") -> dict[str, float]:
    return {one.name: one.score_threshold for one in settings.radiologists}
