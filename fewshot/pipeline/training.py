"""Training as a stage: which data and settings a model of a run has.

Every function reads its inputs from the paths it is given, and leaves whole files or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.config.network import ScheduleSettings
from fewshot.config.tree import RunSettings, SoftLabelSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, check_images, read_coco
from fewshot.progress import progress, say, warn
from fewshot.radiologists.review import reviewed_soft_labels
from fewshot.radiologists.soft_label_set import with_soft_labels
from fewshot.radiologists.weights import read_weights
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import WEIGHTS
from fewshot.training.sampling import TrainingSource


@dataclass(frozen=True)
class SoftTraining:
    """Soft labels that join the labelled slices, and how: COCO files and settings.

    With `score_weighted` a soft label counts by its score in the losses. `review` holds a person's
    decisions about them, where the file is there.
    """

    annotations: Path
    settings: SoftLabelSettings
    uncertain: Path | None = None
    review: Path | None = None
    score_weighted: bool = False


@dataclass(frozen=True)
class WarmStart:
    """Radiologists of which one is what a training starts from: model folders by name, weights.

    `source` is its name; without one it is the best. `supervised` ones have learnt from labelled
    slices alone, whatever the settings say of the radiologists of these names.
    """

    models: Mapping[str, Path]
    weights: Path
    source: str | None = None
    supervised: bool = False


@dataclass(frozen=True)
class PlannedTraining:
    """A training of a run before its slices are read: its job without them, and their files.

    `unlabelled` is there if the model learns from such slices.
    """

    job: TrainingJob
    train: Path
    validation: Path
    soft: SoftTraining | None = None
    warm_start: WarmStart | None = None
    unlabelled: Path | None = None


def plan_training(
    settings: RunSettings,
    name: str,
    data: Path,
    soft: SoftTraining | None = None,
    radiologists: WarmStart | None = None,
) -> PlannedTraining:
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
        radiologists: whose weights a warm start can take; needed where the settings ask for one.
    """
    originals = {twin: one for one, twin in settings.twins.items()}
    part = originals.get(name, name)
    names = [radiologist.name for radiologist in settings.radiologists]
    order = 1 + names.index(part) if part in names else 0
    schedule = settings.radiologists[order - 1] if order else settings.final
    own = settings.model_of(part)
    if name in originals:
        own = own.without_unlabelled()
    job = TrainingJob(
        name=name,
        settings=own,
        augmentation=(None if order else settings.experimental.final_augmentation)
        or settings.augmentation,
        schedule=ScheduleSettings(
            learning_rate=schedule.learning_rate, iterations=schedule.iterations
        ),
        seed=settings.seed * 1000 + order,
        preprocess=settings.preprocess,
        loop=settings.training,
        device=settings.device,
        logging=settings.logging,
    )
    return PlannedTraining(
        job,
        data / TRAIN,
        data / VALIDATION,
        soft,
        None if order else _warm_start(settings, soft, radiologists),
        data / UNLABELLED if own.learns_unlabelled else None,
    )


def train_model(
    planned: PlannedTraining, folder: Path, logs: Path | None = None, replace: bool = True
) -> None:
    """Train one model into its folder; without `replace` another model there is refused.

    `logs` is where TensorBoard finds all models of a run.
    """
    from fewshot.models import registry

    job = _with_slices(planned, (logs or folder / "tensorboard") / planned.job.name)
    with progress(f"training {job.name}", job.schedule.iterations) as advance:
        scores = registry.train_model(job, folder, advance, replace).best
    say(f"{job.name}: validation AP {scores['ap']:.3f}, AP50 {scores['ap50']:.3f}")


def _with_slices(planned: PlannedTraining, logs: Path) -> TrainingJob:
    """Return a planned training's job with its slices and its start, as they are on the disk."""
    labelled = check_images(read_coco(planned.train))
    if not len(labelled):
        raise InputError(f"{planned.train}: holds no slices; there is nothing to train on")
    warm_start, unlabelled = planned.warm_start, planned.unlabelled
    return replace(
        planned.job,
        sources=_sources(planned, labelled),
        validation=check_images(read_coco(planned.validation)),
        weights=None if warm_start is None else _source(warm_start) / WEIGHTS,
        unlabelled=None if unlabelled is None else check_images(read_coco(unlabelled)),
        logs=logs,
    )


def _sources(planned: PlannedTraining, labelled: SliceSet) -> list[TrainingSource]:
    if planned.soft is None:
        return [TrainingSource(labelled)]
    settings, path = planned.soft.settings, planned.soft.annotations
    soft = read_coco(path)
    uncertain = None if planned.soft.uncertain is None else read_coco(planned.soft.uncertain)
    if planned.soft.review is not None and planned.soft.review.is_file():
        reviewed = reviewed_soft_labels(soft, planned.soft.review)
        soft, uncertain = reviewed.soft, reviewed.with_ignored(uncertain)
    soft = check_images(with_soft_labels(soft))
    if not len(soft):
        warn(f"{path}: holds no soft labels; {planned.job.name} trains on labels alone")
        return [TrainingSource(labelled)]
    share = settings.labelled_share
    return [
        TrainingSource(labelled, share),
        TrainingSource(
            soft, 1 - share, uncertain=uncertain, score_weighted=planned.soft.score_weighted
        ),
    ]


def _warm_start(
    settings: RunSettings, soft: SoftTraining | None, radiologists: WarmStart | None
) -> WarmStart | None:
    """Return the radiologists that a final model or a control starts from one of; None for none.

    What learns from labelled slices alone, such as a control, starts from no radiologist that has
    seen others, but may from its twin.
    """
    source = settings.final.warm_start
    if source is False:
        return None
    alone = soft is None and not (radiologists is not None and radiologists.supervised)
    if alone and isinstance(source, str) and settings.model_of(source).learns_unlabelled:
        return None
    if radiologists is None:
        raise InputError(
            "final.warm_start: needs the radiologists; name their folder or switch it off"
        )
    return radiologists if source is True else replace(radiologists, source=source)


def _source(radiologists: WarmStart) -> Path:
    """The folder of the one that is named, else of the greatest weight, the first of equals."""
    if radiologists.source is not None:
        return radiologists.models[radiologists.source]
    weights = read_weights(radiologists.weights)
    best = max(radiologists.models, key=lambda name: weights.get(name, 0.0))
    return radiologists.models[best]
