"""Prediction of masks on validation and test slices by every model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewshot.config.names import CONTROL, FINAL
from fewshot.errors import InputError
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.config.tree import PredictionSettings
    from fewshot.masks.coco import SliceSet

NAME = "predict"
_MOST_VIEWS = 16


def stages(layout: RunLayout) -> list[Stage]:
    """Return one stage per model."""
    return [_predict(layout, name) for name in layout.models]


def _predict(layout: RunLayout, name: str) -> Stage:
    from fewshot.models.registry import modules_of

    folder, device = layout.predictions(name), layout.settings.device
    prediction, wanted = layout.settings.prediction, layout.predicted_parts(name)
    counterparts = layout.counterparts(name) if name in (FINAL, CONTROL) else {}
    voters = [*(counterparts.values() if prediction.ensemble else []), name]
    refiner = counterparts.get(prediction.refine_with or "")
    models = voters if refiner is None else [*voters, refiner]

    def work() -> None:
        from fewshot.masks.coco import read_coco

        for data in wanted:
            predict(
                [layout.model(one) for one in voters],
                read_coco(data),
                folder / data.name,
                prediction,
                device,
                refine_with=None if refiner is None else layout.model(refiner),
            )

    return Stage(
        name=f"predict {name}",
        folder=folder,
        settings={
            "device": device,
            "tta": prediction.model_dump()["tta"],
            "refine_with": refiner,
        },
        inputs={**layout.files([*layout.model_files(models), *wanted]), **layout.images},
        outputs=[folder / data.name for data in wanted],
        work=work,
        modules=modules_of(map(layout.model_settings, models)),
    )


def predict(
    models: Sequence[Path],
    data: "SliceSet",
    target: Path,
    settings: "PredictionSettings | None" = None,
    device: str = "auto",
    weights: Mapping[str, float] | None = None,
    refine_with: Path | None = None,
) -> None:
    """Write the predicted masks of slices as COCO with scores.

    Several models, or several views (test-time augmentation), vote with `weights`, equal by
    default; the masks then carry the last model's name. The foreground of the model `refine_with`,
    predicted without test-time augmentation, refines them (see
    `radiologists.mask_source.refine_masks`).
    """
    from fewshot.masks.coco import check_images
    from fewshot.models.ensemble import PLAIN
    from fewshot.pipeline.predictor import Predictor

    check_images(data)
    views = PLAIN if settings is None else settings.tta
    Predictor.load(models, refine_with, views, device, weights).write(data, target)


def command(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="File or folder to write. With --model: COCO file of masks, with scores.",
        ),
    ],
    run_or_model: Annotated[
        Path | None, typer.Argument(help="Finished run, or model folder.")
    ] = None,
    input: Annotated[
        Path | None,
        typer.Argument(help="File or folder of slices, of any form that convert reads."),
    ] = None,
    form: Annotated[
        Literal["label-png", "nifti", "coco", "csv", "npy"] | None,
        typer.Option("--form", help="Of the label maps; by default as --out ends, or label PNGs."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="Grey window of INPUT, as with convert."),
    ] = None,
    axis: Annotated[
        str, typer.Option("--axis", help="Axis of a NIfTI volume, as with convert.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the label maps at --out.")
    ] = False,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Model folder; several (--model A --model B) are an ensemble."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="COCO file of slices.")] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of slices, instead of --data.")
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Test-time augmentation: mirrored slices, too.")
    ] = False,
    scale: Annotated[
        list[float] | None,
        typer.Option(
            min=0.2, max=5, help="Test-time augmentation: slices scaled by this factor, too."
        ),
    ] = None,
    refine_with: Annotated[
        Path | None,
        typer.Option(help="Folder of a semantic model whose foreground refines the masks."),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to compute.")
    ] = "auto",
) -> dict[str, Any]:
    """Predict the regions of slices with a finished run, or the masks of slices with models.

    fewshot predict RUN_OR_MODEL INPUT --out OUT writes label maps, made as the run makes those of
    its test slices. With --model and --data or --images, as a stage of a run, it writes instance
    masks with scores of at least 0.05, from which merge chooses.
    """
    from fewshot.importing.datasets import read_test
    from fewshot.masks.coco import open_coco, read_coco
    from fewshot.pipeline.answering import Wanted, answer

    _check_options(
        {"RUN_OR_MODEL": run_or_model, "INPUT": input},
        {"--form": form, "--window": window, "--axis": axis, "--overwrite": overwrite},
        {"--model": model, "--data": data, "--images": images},
        {"--flip": flip, "--scale": scale, "--refine-with": refine_with},
    )
    if run_or_model is not None and input is not None:
        return answer(run_or_model, input, out, Wanted(form, window, axis, overwrite, device))
    settings = _settings(flip, scale or [])
    given = read_coco(data) if data is not None else read_test(images or Path(), None)
    predict(model or [], given, out, settings, device, refine_with=refine_with)
    predicted = open_coco(out)
    masks = sum(len(one) for one in predicted.masks())
    return {"images": len(predicted.slices), "masks": masks, "file": str(out)}


def _check_options(
    places: Mapping[str, object],
    answering: Mapping[str, object],
    files: Mapping[str, object],
    views: Mapping[str, object],
) -> None:
    """Raise `InputError` unless the options are those of one of the two ways to call."""
    whole = "fewshot predict RUN_OR_MODEL INPUT --out OUT"
    if any(places.values()):
        if not all(places.values()):
            raise InputError(f"predict: INPUT is missing; give {whole}")
        if wrong := [name for name, value in {**files, **views}.items() if value]:
            raise InputError(f"predict: {wrong[0]} does not go with RUN_OR_MODEL and INPUT")
    else:
        if not files["--model"]:
            raise InputError(f"predict: give {whole}, or --model and --data or --images")
        if wrong := [name for name, value in answering.items() if value]:
            raise InputError(f"predict: {wrong[0]} does not go with --model; give {whole}")
        if bool(files["--data"]) == bool(files["--images"]):
            raise InputError("predict: give either --data or --images")


def _settings(flip: bool, scales: list[float]) -> "PredictionSettings":
    from fewshot.config.tree import PredictionSettings, ViewSettings

    sides = (False, True) if flip else (False,)
    views = [ViewSettings(scale=one, flip=side) for one in (1.0, *scales) for side in sides]
    if len(views) > _MOST_VIEWS:
        raise InputError(f"predict: {len(views)} views of a slice; give at most {_MOST_VIEWS}")
    return PredictionSettings(tta=tuple(views))
