"""The training of any model of a run as a stage."""

from typing import Any

from fewshot.config.names import CONTROL, FINAL
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage


def training_stage(layout: RunLayout, name: str) -> Stage:
    """Return the stage that trains a radiologist, the final model, or one it is compared with."""
    from fewshot.models.registry import modules_of
    from fewshot.pipeline.training import SoftTraining, WarmStart, model_to_train
    from fewshot.radiologists.soft_label_set import OF_TRAINING

    settings, counterparts = layout.settings, layout.counterparts(name)
    soft = None
    if name == FINAL:
        soft = SoftTraining(
            layout.labels_to_learn, settings.soft_labels, layout.uncertain, layout.review
        )
    models = {one: layout.model(other) for one, other in counterparts.items()}
    warm_start = WarmStart(models, layout.weights, supervised=name == CONTROL)
    model = model_to_train(settings, name, layout.data, soft, warm_start)
    read = [layout.train, layout.validation]
    if soft is not None:
        # A person's review may come, and may change.
        read += [layout.labels_to_learn, layout.uncertain, layout.review]
    if model.warm_start is not None:
        read += [layout.weights, *layout.model_files([*counterparts.values()])]
    if model.unlabelled is not None:
        read.append(model.unlabelled)
    inputs = {**layout.files(read), **layout.images}
    if model.settings.weights_file is not None:
        inputs["starting weights"] = model.settings.weights_file

    def work() -> None:
        from fewshot.pipeline.training import train_model

        train_model(model, layout.model(name), layout.logs)

    return Stage(
        name=f"train {name}",
        folder=layout.model(name),
        settings={
            "model": _portable(model.settings.identity("prediction")),
            "augmentation": model.augmentation.model_dump(),
            "schedule": model.schedule.model_dump(),
            "seed": model.seed,
            "soft_labels": soft and soft.settings.model_dump(mode="json", include=OF_TRAINING),
            "warm_start": model.warm_start is not None and (model.warm_start.lender or True),
            "preprocess": model.preprocess.model_dump(mode="json"),
        },
        inputs=inputs,
        outputs=layout.model_files([name]),
        work=work,
        modules=modules_of([model.settings]),
    )


def _portable(identity: dict[str, Any]) -> dict[str, Any]:
    """Return a model's settings but for the file it starts from, whose content is an input."""
    return {key: value for key, value in identity.items() if key != "weights"}
