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
    from fewshot.masks.coco import check_images, write_masks
    from fewshot.models.ensemble import PLAIN, predict_together
    from fewshot.models.registry import load_model
    from fewshot.progress import no_progress, progress
    from fewshot.radiologists.mask_source import refine_masks

    check_images(data)
    loaded = [load_model(model, device) for model in models]
    refiner = None if refine_with is None else load_model(refine_with, device)
    name = loaded[-1].name
    ordered = data.in_order()
    with progress(f"predicting {target.stem} with {name}", len(data)) as advance:
        views = PLAIN if settings is None else settings.tta
        masks = predict_together(loaded, ordered, name, weights, views, advance)
        if refiner is not None:
            masks = map(refine_masks, masks, refiner.predict(ordered, no_progress, None))
        write_masks(target, ordered, masks, f"predictions of {name}")


def command(
    model: Annotated[
        list[Path],
        typer.Option(help="Model folder; several (--model A --model B) are an ensemble."),
    ],
    out: Annotated[Path, typer.Option("--out", help="COCO file to write, with scores.")],
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
    """Predict instance masks with scores of at least 0.05, from which merge chooses."""
    from fewshot.importing.datasets import read_test
    from fewshot.masks.coco import open_coco, read_coco

    settings = _settings(flip, scale or [])
    if data is not None and images is None:
        slices = read_coco(data)
    elif images is not None and data is None:
        slices = read_test(images, None)
    else:
        raise InputError("predict: give either --data or --images")
    predict(model, slices, out, settings, device, refine_with=refine_with)
    predicted = open_coco(out)
    masks = sum(len(one) for one in predicted.masks())
    return {"images": len(predicted.slices), "masks": masks, "file": str(out)}


def _settings(flip: bool, scales: list[float]) -> "PredictionSettings":
    from fewshot.config.tree import PredictionSettings, ViewSettings

    sides = (False, True) if flip else (False,)
    views = [ViewSettings(scale=one, flip=side) for one in (1.0, *scales) for side in sides]
    if len(views) > _MOST_VIEWS:
        raise InputError(f"predict: {len(views)} views of a slice; give at most {_MOST_VIEWS}")
    return PredictionSettings(tta=tuple(views))
