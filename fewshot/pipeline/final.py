"""Training of the final model, and of the control and the twins."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.config.names import FINAL
from fewshot.errors import InputError
from fewshot.pipeline.training_stage import training_stage
from fewshot.run.layout import RunLayout
from fewshot.run.names import UNCERTAIN, WEIGHTS
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings

NAME = "train-final"


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage of the final model, and one for each model it is compared with."""
    return [training_stage(layout, name) for name in (FINAL, *layout.controls)]


def command(
    settings: "RunSettings",
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder with train.json and validation.json (see convert)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    soft_labels: Annotated[
        Path | None,
        typer.Option(help="annotations.json of soft-label; by default labelled slices only."),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option("--review", help="review.json of fewshot review: a person's decisions."),
    ] = None,
    radiologists: Annotated[
        Path | None,
        typer.Option(help="Folder that train-radiologists made, for --set final.warm_start=…."),
    ] = None,
) -> Any:
    """Train the final model on labelled and soft-labelled slices.

    Masks to ignore are read from uncertain.json next to the soft labels, if there is one.
    """
    from fewshot.files import read_json, remove_remains
    from fewshot.lock import locked
    from fewshot.pipeline.training import SoftTraining, WarmStart, plan_training, train_model
    from fewshot.progress import warn
    from fewshot.radiologists.review import read_review
    from fewshot.run.owned import refuse_links
    from fewshot.training.model_folder import DESCRIPTION

    if review is not None:
        if soft_labels is None:
            raise InputError("--review: is about soft labels; give --soft-labels too")
        read_review(review)
    soft = warm_start = None
    if soft_labels is not None:
        uncertain = soft_labels.with_name(UNCERTAIN)
        soft = SoftTraining(
            soft_labels,
            settings.soft_labels,
            uncertain if uncertain.is_file() else None,
            review,
            score_weighted=settings.experimental.score_weighted_loss,
        )
    if radiologists is not None:
        folders = {one.name: radiologists / one.name for one in settings.radiologists}
        warm_start = WarmStart(folders, radiologists / WEIGHTS)
    model = plan_training(settings, FINAL, data, soft, warm_start)
    if settings.final.warm_start and model.warm_start is None:
        warn(
            f"{settings.final.warm_start} has learnt from unlabelled slices; without soft labels "
            "the final model does not start from it"
        )
    with locked(out):
        refuse_links(out)
        remove_remains(out)
        train_model(model, out, replace=False)
    return read_json(out / DESCRIPTION)
