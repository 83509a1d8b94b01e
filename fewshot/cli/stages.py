"""The stages of a run as commands on files: train, soft-label, predict, merge, submit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.cli.options import (
    Config,
    Device,
    Json,
    Out,
    SeedSetting,
    Sets,
    Workers,
    overrides_of,
    print_json,
    refuse_filled,
    settings_of,
)
from fewshot.errors import InputError
from fewshot.files import read_json, remove_remains
from fewshot.lock import locked
from fewshot.progress import warn

if TYPE_CHECKING:
    from fewshot.config.tree import PredictionSettings, RunSettings

Data = Annotated[
    Path, typer.Option("--data", help="Folder with train.json and validation.json (see convert).")
]
Radiologists = Annotated[Path, typer.Option(help="Folder that train-radiologists made.")]


_MOST_VIEWS = 16


def train_radiologists(
    data: Data,
    out: Out,
    config: Config = None,
    set_: Sets = None,
    only: Annotated[
        str | None, typer.Option("--only", help="Train this radiologist alone, without weights.")
    ] = None,
    seed: SeedSetting = None,
    device: Device = None,
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Train the radiologists on the labelled slices and weigh them by validation AP.

    Leaves one model folder a radiologist, and weights.json. Given again with the same settings and
    slices, an interrupted command goes on where it stopped.
    """
    from fewshot.pipeline import training
    from fewshot.run.names import WEIGHTS

    settings = settings_of(config, overrides_of(set_, device, seed, workers))
    chosen = [one for one in settings.radiologists if only in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in settings.radiologists)
        raise InputError(f"--only {only}: no such radiologist; there are {names}")
    with locked(out):
        remove_remains(out)
        for radiologist in chosen:
            model = training.model_to_train(settings, radiologist.name, data)
            logs = out / "tensorboard"
            training.train_model(model, out / radiologist.name, logs, replace=False)
        if only is None:
            folders = {one.name: out / one.name for one in chosen}
            training.weigh(folders, out / WEIGHTS)
    if json_:
        print_json(read_json(out / WEIGHTS if only is None else out / only / "model.json"))


def soft_label(
    data: Data,
    radiologists: Radiologists,
    out: Out,
    config: Config = None,
    set_: Sets = None,
    seed: SeedSetting = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Let the radiologists label unlabelled.json; print and save an audit.

    Each reads its share of the slices, or all read every slice and vote
    (--set soft_labels.assignment=vote).
    """
    from fewshot.pipeline.soft_labelling import SoftLabelling, make_soft_labels
    from fewshot.run.names import AUDIT, WEIGHTS

    settings = settings_of(config, overrides_of(set_, device, seed))
    folders = _folders(settings, radiologists)
    refuse_filled(out)
    make_soft_labels(SoftLabelling(data, folders, radiologists / WEIGHTS), settings, out)
    if json_:
        print_json(read_json(out / AUDIT))


def train_final(
    data: Data,
    out: Out,
    soft_labels: Annotated[
        Path | None,
        typer.Option(help="annotations.json of soft-label; the labelled slices alone without."),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option("--review", help="review.json of fewshot review: what a person decided."),
    ] = None,
    radiologists: Annotated[
        Path | None,
        typer.Option(help="Folder that train-radiologists made, for --set final.warm_start=…."),
    ] = None,
    config: Config = None,
    set_: Sets = None,
    seed: SeedSetting = None,
    device: Device = None,
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Train the final model on labelled and soft-labelled slices.

    Masks to be ignored are read from uncertain.json beside the soft labels, where there is one.
    """
    from fewshot.pipeline import training
    from fewshot.run.names import FINAL, UNCERTAIN, WEIGHTS

    settings = settings_of(config, overrides_of(set_, device, seed, workers))
    if review is not None:
        _check_review(review, soft_labels)
    soft = None
    if soft_labels is not None:
        uncertain = soft_labels.with_name(UNCERTAIN)
        soft = training.SoftTraining(
            soft_labels, settings.soft_labels, uncertain if uncertain.is_file() else None, review
        )
    lenders = None
    if radiologists is not None:
        folders = _folders(settings, radiologists)
        lenders = training.WarmStart(folders, radiologists / WEIGHTS)
    model = training.model_to_train(settings, FINAL, data, soft, lenders)
    if settings.final.warm_start and model.warm_start is None:
        warn(
            f"{settings.final.warm_start} has learnt from unlabelled slices; without soft labels "
            "the model starts from scratch"
        )
    with locked(out):
        remove_remains(out)
        training.train_model(model, out, replace=False)
    if json_:
        print_json(read_json(out / "model.json"))


def predict(
    model: Annotated[
        list[Path], typer.Option(help="Model folder; several (--model A --model B) vote.")
    ],
    out: Annotated[Path, typer.Option("--out", help="COCO file to write, with scores.")],
    data: Annotated[Path | None, typer.Option("--data", help="COCO file of slices.")] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of slices, instead of --data.")
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Look at mirrored slices too, and vote.")
    ] = False,
    scale: Annotated[
        list[float] | None,
        typer.Option(
            min=0.2, max=5, help="Look at slices of this size too, and vote; above 1 is enlarged."
        ),
    ] = None,
    refine_with: Annotated[
        Path | None,
        typer.Option(help="Folder of a semantic model, whose foreground redraws the masks."),
    ] = None,
    device: Device = "auto",
    json_: Json = False,
) -> None:
    """Predict instance masks with scores, all above 0.05: merge chooses from them."""
    from fewshot.importing import datasets
    from fewshot.masks.coco import open_coco, read_coco
    from fewshot.pipeline import stages

    settings = _prediction_settings(flip, scale or [])
    if data is not None and images is None:
        slices = read_coco(data)
    elif images is not None and data is None:
        slices = datasets.read_test(images, None)
    else:
        raise InputError("predict: give either --data or --images")
    stages.predict(model, slices, out, settings, device or "auto", refine_with=refine_with)
    if json_:
        predicted = open_coco(out)
        masks = sum(len(one) for one in predicted.masks())
        print_json({"images": len(predicted.slices), "masks": masks, "file": str(out)})


def merge(
    predictions: Annotated[Path, typer.Option(help="COCO file that predict made.")],
    out: Annotated[Path, typer.Option("--out", help="COCO file to write, without overlaps.")],
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Masks below are dropped; else calibrated.")
    ] = None,
    min_area: Annotated[
        int | None,
        typer.Option(min=0, help="Smallest region, pixels; else calibrated, or 0 without --truth."),
    ] = None,
    background: Annotated[
        Literal["auto", "keep", "nearest"],
        typer.Option(help="keep unlabelled pixels, or give them the nearest region."),
    ] = "auto",
    metric: Annotated[
        Literal["foreground", "all"], typer.Option(help="What to calibrate for.")
    ] = "foreground",
    truth: Annotated[
        Path | None, typer.Option(help="validation.json, to choose what is not given.")
    ] = None,
    truth_predictions: Annotated[
        Path | None, typer.Option(help="The same model's predictions of --truth.")
    ] = None,
    json_: Json = False,
) -> None:
    """Merge overlapping masks: each pixel goes to the mask with the highest score."""
    from dataclasses import asdict

    from fewshot.config.tree import MergeSettings
    from fewshot.masks.merge import MergeRule
    from fewshot.metrics.calibration import choose_rule
    from fewshot.metrics.merge_rules import read_validation
    from fewshot.pipeline import stages

    if (truth is None) != (truth_predictions is None):
        raise InputError("merge: --truth and --truth-predictions: give both of them or neither")
    if truth is not None and truth_predictions is not None:
        labels, masks = read_validation(truth, truth_predictions)
        settings = MergeSettings(
            background=background, metric=metric, min_area="auto" if min_area is None else min_area
        )
        rule = choose_rule(labels, masks, settings, metric, score_threshold).rule
    elif score_threshold is None or background == "auto":
        raise InputError(
            "merge: give --score-threshold and --background, or --truth and --truth-predictions "
            "to choose them on validation slices"
        )
    else:
        rule = MergeRule(score_threshold, min_area or 0, background)
    stages.merge(predictions, rule, out)
    if json_:
        print_json(asdict(rule))


def submit(
    merged: Annotated[Path, typer.Option(help="COCO file that merge made.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    form: Annotated[
        Literal["named", "plain"],
        typer.Option(help="named: ',0.png' and 'Pixel 0'; plain: ',0' and '0'."),
    ] = "named",
    json_: Json = False,
) -> None:
    """Write merged masks as the challenge's submission CSV."""
    from fewshot.pipeline import stages

    stages.submit(merged, out, form)
    if json_:
        print_json({"file": str(out), "bytes": out.stat().st_size})


def _check_review(review: Path, soft_labels: Path | None) -> None:
    from fewshot.radiologists.review import read_review

    if soft_labels is None:
        raise InputError("--review: is about soft labels; give --soft-labels too")
    read_review(review)


def _folders(settings: "RunSettings", radiologists: Path) -> dict[str, Path]:
    return {one.name: radiologists / one.name for one in settings.radiologists}


def _prediction_settings(flip: bool, scales: list[float]) -> "PredictionSettings":
    from fewshot.config.tree import PredictionSettings, ViewSettings

    sides = (False, True) if flip else (False,)
    views = [ViewSettings(scale=one, flip=side) for one in (1.0, *scales) for side in sides]
    if len(views) > _MOST_VIEWS:
        raise InputError(f"predict: {len(views)} looks at a slice; at most {_MOST_VIEWS} can vote")
    return PredictionSettings(tta=tuple(views))
