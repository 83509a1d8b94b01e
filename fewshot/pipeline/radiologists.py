"""Training the radiologists, and weighting them by their validation average precision."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.errors import InputError
from fewshot.pipeline.training_stage import training_stage
from fewshot.run.layout import RunLayout
from fewshot.run.names import WEIGHTS
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings

NAME = "train-radiologists"


def stages(layout: RunLayout) -> list[Stage]:
    """Return one stage per radiologist, and the stage of their weights."""
    return [*(training_stage(layout, name) for name in layout.radiologists), _weigh(layout)]


def _weigh(layout: RunLayout) -> Stage:
    from fewshot.training.model_folder import DESCRIPTION

    models = layout.radiologist_models

    def work() -> None:
        from fewshot.radiologists.weights import weigh

        weigh(models, layout.weights)

    return Stage(
        name="weigh radiologists",
        folder=layout.weights.parent,
        settings={},
        inputs=layout.files(folder / DESCRIPTION for folder in models.values()),
        outputs=[layout.weights],
        work=work,
    )


def command(
    settings: "RunSettings",
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder with train.json and validation.json (see convert)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    only: Annotated[
        str | None,
        typer.Option("--only", help="Train only this radiologist, without weights.json."),
    ] = None,
) -> Any:
    """Train the radiologists on the labelled slices and weight them by validation AP.

    Writes a model folder per radiologist, and weights.json. An interrupted command, called again
    with the same settings and slices, continues where it stopped.
    """
    from fewshot.files import read_json, remove_remains
    from fewshot.lock import locked
    from fewshot.pipeline.training import plan_training, train_model
    from fewshot.radiologists.weights import weigh
    from fewshot.run.owned import refuse_links
    from fewshot.training.model_folder import DESCRIPTION

    names = [one.name for one in settings.radiologists]
    chosen = [name for name in names if only in (None, name)]
    if not chosen:
        raise InputError(f"--only {only}: no such radiologist; there are {', '.join(names)}")
    with locked(out):
        refuse_links(out)
        remove_remains(out)
        for name in chosen:
            model = plan_training(settings, name, data)
            train_model(model, out / name, out / "tensorboard", replace=False)
        if only is None:
            weigh({name: out / name for name in chosen}, out / WEIGHTS)
    return read_json(out / WEIGHTS if only is None else out / only / DESCRIPTION)
