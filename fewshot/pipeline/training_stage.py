"""The stage that trains a model of a run."""

from typing import Any

from fewshot.config.names import CONTROL, FINAL
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage


def training_stage(layout: RunLayout, name: str) -> Stage:
    """Return the stage that trains a radiologist, the final model, its control, or a twin."""
    from fewshot.models.registry import modules_of
    from fewshot.pipeline.training import SoftTraining, WarmStart, plan_training

    settings, counterparts = layout.settings, layout.counterparts(name)
    soft = None
    if name == FINAL:
        soft = SoftTraining(
            layout.labels_to_learn,
            settings.soft_labels,
            layout.uncertain,
            layout.review,
            score_weighted=settings.experimental.score_weighted_loss,
        )
    models = {one: layout.model(other) for one, other in counterparts.items()}
    warm_start = WarmStart(models, layout.weights, supervised=name == CONTROL)
    planned = plan_training(settings, name, layout.data, soft, warm_start)
    job = planned.job
    read = [layout.train, layout.validation]
    if soft is not None:
        # A person's review may appear later, and may change.
        read += [layout.labels_to_learn, layout.uncertain, layout.review]
    if planned.warm_start is not None:
        read += [layout.weights, *layout.model_files([*counterparts.values()])]
    if planned.unlabelled is not None:
        read.append(planned.unlabelled)
    inputs = {**layout.files(read), **layout.images}
    if job.settings.weights_file is not None:
        inputs["starting weights"] = job.settings.weights_file

    def work() -> None:
        from fewshot.pipeline.training import train_model

        train_model(planned, layout.model(name), layout.logs)

    return Stage(
        name=f"train {name}",
        folder=layout.model(name),
        settings={
            "model": _portable(job.settings.identity("prediction")),
            "augmentation": job.augmentation.model_dump(),
            "schedule": job.schedule.model_dump(),
            "seed": job.seed,
            "labelled_share": soft and soft.settings.labelled_share,
            "score_weighted": soft is not None and soft.score_weighted,
            "loop": job.loop.identity("training"),
            "warm_start": planned.warm_start is not None and (planned.warm_start.source or True),
            "preprocess": job.preprocess.model_dump(mode="json"),
        },
        inputs=inputs,
        outputs=layout.model_files([name]),
        work=work,
        modules=modules_of([job.settings]),
    )


def _portable(identity: dict[str, Any]) -> dict[str, Any]:
    """Return a model's settings without its weights file, whose contents are an input."""
    return {key: value for key, value in identity.items() if key != "weights"}
