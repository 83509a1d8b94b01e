"""Training as a stage: which data and settings a model of a run has.

Every function reads its inputs from the paths it is given, and leaves whole files or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot.config.logging import LoggingSettings
from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import (
    AugmentationSettings,
    ModelSettings,
    RunSettings,
    SoftLabelSettings,
    TrainingSettings,
)
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, check_images, read_coco
from fewshot.progress import progress, say, warn
from fewshot.radiologists.review import reviewed_soft_labels
from fewshot.radiologists.soft_label_set import with_soft_labels
from fewshot.radiologists.weights import read_weights

if TYPE_CHECKING:
    from fewshot.detector.teacher import Renewal
    from fewshot.detector.watch import Watch
    from fewshot.training.sampling import TrainingSource


@dataclass(frozen=True)
class SoftTraining:
    """Soft labels that join the labelled slices, and how: COCO files and settings.

    `review` holds a person's decisions about them, where the file is there.
    """

    annotations: Path
    settings: SoftLabelSettings
    uncertain: Path | None = None
    review: Path | None = None


@dataclass(frozen=True)
class WarmStart:
    """Radiologists of which one lends its weights: model folders by name, and their weights.

    `lender` is its name; without one it is the best. `supervised` ones have learnt from labelled
    slices alone, whatever the settings say of the radiologists of these names.
    """

    models: Mapping[str, Path]
    weights: Path
    lender: str | None = None
    supervised: bool = False


@dataclass(frozen=True)
class ModelToTrain:
    """A model's name, data and settings; `unlabelled` is there if it learns from such slices."""

    name: str
    train: Path
    validation: Path
    settings: ModelSettings
    augmentation: AugmentationSettings
    schedule: TrainingSettings
    seed: int
    soft: SoftTraining | None = None
    warm_start: WarmStart | None = None
    unlabelled: Path | None = None
    preprocess: PreprocessSettings = AS_READ
    logging: LoggingSettings = field(default_factory=LoggingSettings)


def model_to_train(
    settings: RunSettings,
    name: str,
    data: Path,
    soft: SoftTraining | None = None,
    radiologists: WarmStart | None = None,
) -> ModelToTrain:
    """Return what a run's settings say of a model: a radiologist by name, or the final model.

    Any other name, such as the control's, stands for the final model's settings. Final and control
    share a seed, and so do a radiologist and its twin (`RunSettings.twins`), and no other models:
    they differ in their data alone.

    Args:
        settings: of the run.
        name: of the model.
        data: a folder with `train.json` and `validation.json`, and `unlabelled.json` where a
            radiologist learns from slices without labels.
        soft: what joins the labelled slices, if anything.
        radiologists: whom a warm start can be had from; needed where the settings ask for one.
    """
    originals = {twin: one for one, twin in settings.twins.items()}
    part = originals.get(name, name)
    names = [radiologist.name for radiologist in settings.radiologists]
    order = 1 + names.index(part) if part in names else 0
    schedule = settings.radiologists[order - 1] if order else settings.final
    warm_start = None if order else _warm_start(settings, soft, radiologists)
    own = settings.model_of(part)
    if name in originals:
        own = own.without_unlabelled()
    return ModelToTrain(
        name=name,
        train=data / TRAIN,
        validation=data / VALIDATION,
        settings=own,
        augmentation=(None if order else settings.final.augmentation) or settings.augmentation,
        schedule=TrainingSettings(
            learning_rate=schedule.learning_rate, iterations=schedule.iterations
        ),
        seed=settings.seed * 1000 + order,
        soft=soft,
        warm_start=warm_start,
        unlabelled=data / UNLABELLED if own.learns_unlabelled else None,
        logging=settings.logging,
        preprocess=settings.preprocess,
    )


def train_model(
    model: ModelToTrain, folder: Path, logs: Path | None = None, replace: bool = True
) -> None:
    """Train one model into its folder; without `replace` another model there is refused.

    `logs` is where TensorBoard finds all models of a run.
    """
    from fewshot.models import registry
    from fewshot.models.interface import ModelJob

    labelled = check_images(read_coco(model.train))
    validation = check_images(read_coco(model.validation))
    if not len(labelled):
        raise InputError(f"{model.train}: holds no slices; there is nothing to train on")
    sources = _sources(model, labelled)
    job = ModelJob(
        name=model.name,
        sources=sources,
        validation=validation,
        settings=model.settings,
        augmentation=model.augmentation,
        schedule=model.schedule,
        seed=model.seed,
        weights=None if model.warm_start is None else _lender(model.warm_start) / "model.pth",
        unlabelled=None if model.unlabelled is None else check_images(read_coco(model.unlabelled)),
        renewal=_renewal(model, labelled) if len(sources) > 1 else None,
        watch=_watch(model, logs or folder / "tensorboard"),
        preprocess=model.preprocess,
    )
    with progress(f"training {model.name}", model.schedule.iterations) as advance:
        precision = registry.train_model(job, folder, advance, replace)
    say(f"{model.name}: validation AP {precision.ap:.3f}, AP50 {precision.ap50:.3f}")


def _sources(model: ModelToTrain, labelled: SliceSet) -> list["TrainingSource"]:
    from fewshot.training.sampling import TrainingSource

    if model.soft is None:
        return [TrainingSource(labelled)]
    settings, path = model.soft.settings, model.soft.annotations
    soft = read_coco(path)
    uncertain = None if model.soft.uncertain is None else read_coco(model.soft.uncertain)
    if model.soft.review is not None and model.soft.review.is_file():
        reviewed = reviewed_soft_labels(soft, model.soft.review)
        soft, uncertain = reviewed.soft, reviewed.with_ignored(uncertain)
    soft = check_images(with_soft_labels(soft))
    if not len(soft):
        warn(f"{path}: holds no soft labels; {model.name} trains on labels alone")
        return [TrainingSource(labelled)]
    share = settings.labelled_share
    return [
        TrainingSource(labelled, share),
        TrainingSource(
            soft,
            1 - share,
            uncertain=uncertain,
            weighed=settings.score_weighted_loss,
            renewed=settings.teacher.renew,
        ),
    ]


def _watch(model: ModelToTrain, logs: Path) -> "Watch":
    from fewshot.detector.watch import Watch

    parameters = {
        "architecture": model.settings.architecture,
        "batch_size": model.settings.batch_size,
        **model.schedule.model_dump(include={"learning_rate", "iterations"}),
        "labelled_share": 1.0 if model.soft is None else model.soft.settings.labelled_share,
        "seed": model.seed,
    }
    return Watch(model.logging, logs / model.name, model.schedule.iterations, parameters)


def _renewal(model: ModelToTrain, labelled: SliceSet) -> "Renewal | None":
    from fewshot.detector.teacher import Renewal

    if model.soft is None or not model.soft.settings.teacher.renew:
        return None
    settings = model.soft.settings
    counts = [len(labelled.masks_of(record.image_id)) for record in labelled.records]
    return Renewal(settings.teacher, settings.runaway_ratio * float(np.mean(counts)))


def _warm_start(
    settings: RunSettings, soft: SoftTraining | None, radiologists: WarmStart | None
) -> WarmStart | None:
    """Return who lends a final model or a control its first weights.

    What learns from labelled slices alone, such as a control, starts from no radiologist that has
    seen others, but may from its twin.
    """
    lender = settings.final.warm_start
    if lender is False:
        return None
    alone = soft is None and not (radiologists is not None and radiologists.supervised)
    if alone and isinstance(lender, str) and settings.model_of(lender).learns_unlabelled:
        return None
    if radiologists is None:
        raise InputError(
            "final.warm_start: needs the radiologists; name their folder or switch it off"
        )
    return radiologists if lender is True else replace(radiologists, lender=lender)


def _lender(radiologists: WarmStart) -> Path:
    """The folder of the one that is named, else of the greatest weight, the first of equals."""
    if radiologists.lender is not None:
        return radiologists.models[radiologists.lender]
    weights = read_weights(radiologists.weights)
    best = max(radiologists.models, key=lambda name: weights.get(name, 0.0))
    return radiologists.models[best]
