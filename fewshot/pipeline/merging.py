"""Merging: choosing a merge rule for each model, and merging the final model's masks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewshot.config.names import FINAL
from fewshot.errors import InputError
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.masks.merge import MergeRule

NAME = "merge"


def stages(layout: RunLayout) -> list[Stage]:
    """Return a stage per model that chooses its merge rule, and the stage that merges."""
    return [*(_calibrate(layout, name) for name in layout.models), _merge(layout)]


def _calibrate(layout: RunLayout, name: str) -> Stage:
    final, settings = layout.settings.final, layout.settings.merge
    threshold = None if final.score_threshold == "auto" else final.score_threshold
    predictions, target = layout.answers(name) / layout.validation.name, layout.rule(name)

    def work() -> None:
        from fewshot.metrics.merge_rules import calibrate

        calibrate(layout.validation, predictions, settings, threshold, target)

    return Stage(
        name=f"calibrate {name}",
        folder=target.parent,
        settings={"merge": settings.model_dump(), "score_threshold": threshold},
        inputs=layout.files([layout.validation, predictions]),
        outputs=[target],
        work=work,
    )


def _merge(layout: RunLayout) -> Stage:
    metric = layout.settings.merge.metric
    predictions = layout.answers(FINAL) / layout.answered.name

    def work() -> None:
        from fewshot.metrics.merge_rules import read_rule

        merge(predictions, read_rule(layout.rule(FINAL), metric), layout.merged)

    return Stage(
        name="merge",
        folder=layout.merged.parent,
        settings={"metric": metric},
        inputs=layout.files([predictions, layout.rule(FINAL)]),
        outputs=[layout.merged],
        work=work,
    )


def merge(predictions: Path, rule: "MergeRule", target: Path) -> None:
    """Write predictions without overlaps as COCO, one mask per region of the merged label map."""
    from dataclasses import asdict

    from fewshot.masks.coco import open_coco, write_masks
    from fewshot.masks.merge import merge_masks
    from fewshot.masks.predicted import SliceMasks

    stream = open_coco(predictions)
    merged = (
        SliceMasks.from_label_map(masks.image_id, merge_masks(masks, rule), "merged")
        for masks in stream.masks()
    )
    write_masks(target, stream.slices, merged, f"merged masks ({asdict(rule)})")


def command(
    predictions: Annotated[Path, typer.Option(help="COCO file that predict made.")],
    out: Annotated[Path, typer.Option("--out", help="COCO file to write, without overlaps.")],
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lowest score of a mask; else calibrated.")
    ] = None,
    min_area: Annotated[
        int | None,
        typer.Option(min=0, help="Smallest region, pixels; else calibrated, or 0 without --truth."),
    ] = None,
    background: Annotated[
        Literal["auto", "keep", "nearest"],
        typer.Option(help="Keep pixels without a region, or give them the nearest one."),
    ] = "auto",
    metric: Annotated[
        Literal["foreground", "all"], typer.Option(help="Adjusted Rand index to calibrate for.")
    ] = "foreground",
    truth: Annotated[
        Path | None, typer.Option(help="validation.json, to calibrate what is not given.")
    ] = None,
    truth_predictions: Annotated[
        Path | None, typer.Option(help="The same model's predictions of --truth.")
    ] = None,
) -> dict[str, Any]:
    """Merge overlapping masks: each pixel goes to the mask with the highest score."""
    from dataclasses import asdict

    from fewshot.config.tree import MergeSettings
    from fewshot.masks.merge import MergeRule
    from fewshot.metrics.calibration import choose_rule
    from fewshot.metrics.merge_rules import read_validation

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
    merge(predictions, rule, out)
    return asdict(rule)
