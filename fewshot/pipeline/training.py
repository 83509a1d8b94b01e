"""Training a model of a run: its data, its settings and its initial weights."""

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
    """Soft labels that are trained on together with the labelled slices: COCO files and settings.

    With `score_weighted`, losses are weighted by the soft labels' scores. `review` is the file of a
    person's decisions, which need not exist.
    """

    annotations: Path
    settings: SoftLabelSettings
    uncertain: Path | None = None
    review: Path | None = None
    score_weighted: bool = False


@dataclass(frozen=True)
class WarmStart:
    """Radiologists whose weights a training can start from: model folders by name, and weights.

    `source` names the one to start from; by default it is the best. `supervised`: they were trained
    on labelled slices only, whatever the settings say of radiologists of these names.
    """

    models: Mapping[str, Path]
    weights: Path
    source: str | None = None
    supervised: bool = False


@dataclass(frozen=True)
class PlannedTraining:
    """A training of a run before its slices are read: its job without slices, and their files.

    `unlabelled` is None unless the model learns from unlabelled slices.
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
    """Return the training of a model of a run: a radiologist by name, or the final model.

    Any other name, such as the control's, means the final model's settings. Final and control share
    a seed, as do a radiologist and its twin (`RunSettings.twins`), so that they differ only in
    their data.

    Args:
        settings: of the run.
        name: of the model.
        data: folder with `train.json` and `validation.json`, and `unlabelled.json` where a
            radiologist learns from unlabelled slices.
        soft: soft labels to train on, if any.
        radiologists: initial weights of a warm start; needed where the settings ask for one.
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
    """Train one model into its folder; without `replace`, refuse a folder of another model.

    `logs` is the TensorBoard folder of all models of a run.
    """
    from fewshot.models import registry

    job = _with_slices(planned, (logs or folder / "tensorboard") / planned.job.name)
    with progress(f"training {job.name}", job.schedule.iterations) as advance:
        scores = registry.train_model(job, folder, advance, replace).best
    say(f"{job.name}: validation AP {scores['ap']:.3f}, AP50 {scores['ap50']:.3f}")


def _with_slices(planned: PlannedTraining, logs: Path) -> TrainingJob:
    """Return a planned training's job with its slices and initial weights read from disk."""
    labelled = check_images(read_coco(planned.train))
    if not len(labelled):
        raise InputError(f"{planned.train}: contains no slices; there is nothing to train on")
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
        warn(f"{path}: contains no soft labels; {planned.job.name} trains on labelled slices only")
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
    """Return the radiologists, one of which a final model or a control starts from, or None.

    A model trained on labelled slices only, such as a control, may not start from a radiologist
    that has seen unlabelled ones, but may start from its twin.
    """
    source = settings.final.warm_start
    if source is False:
        return None
    alone = soft is None and not (radiologists is not None and radiologists.supervised)
    if alone and isinstance(source, str) and settings.model_of(source).learns_unlabelled:
        return None
    if radiologists is None:
        raise InputError(
            "final.warm_start: needs the radiologists; give their folder, or set it to false"
        )
    return radiologists if source is True else replace(radiologists, source=source)


def _source(radiologists: WarmStart) -> Path:
    """Return the folder of the named radiologist, else of the first with the largest weight."""
    if radiologists.source is not None:
        return radiologists.models[radiologists.source]
    weights = read_weights(radiologists.weights)
    best = max(radiologists.models, key=lambda name: weights.get(name, 0.0))
    return radiologists.models[best]
