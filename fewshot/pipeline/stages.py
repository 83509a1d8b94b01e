"""The stages as functions from files to files; each is also a command of its own.

Every function reads its inputs from the paths it is given, and leaves whole files or none.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fewshot.classical.watershed import WatershedSettings, watershed_label_map
from fewshot.config.base import Metric
from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import (
    AugmentationSettings,
    DetectorSettings,
    MergeSettings,
    RunSettings,
    TrainingSettings,
)
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco, write_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import RandScore, RandSummary, score_slice, summarise
from fewshot.pipeline import datasets
from fewshot.progress import progress, say, warn
from fewshot.radiologists.audit import audit_soft_labels, print_audit
from fewshot.radiologists.calibration import choose_rule
from fewshot.radiologists.weighing import assign_slices, weights_from_precision
from fewshot.slices.images import image_size, read_image
from fewshot.submission.submission import write_submission

METRICS: tuple[Metric, ...] = ("all", "foreground")
LabelMap = NDArray[np.uint8]


@dataclass(frozen=True)
class ModelToTrain:
    """A model's name, data and settings.

    `soft_labels`, where given, joins the labelled slices, which are then a `labelled_share` of
    every batch.
    """

    name: str
    train: Path
    validation: Path
    detector: DetectorSettings
    augmentation: AugmentationSettings
    schedule: TrainingSettings
    seed: int
    soft_labels: Path | None = None
    labelled_share: float = 1.0
    preprocess: PreprocessSettings = AS_READ


def check_images(slices: SliceSet) -> SliceSet:
    """Return the slices; `InputError` when an image is missing, unreadable or of another size."""
    for record in slices.records:
        path = slices.path_of(record)
        size = image_size(path)
        if size != (record.height, record.width):
            raise InputError(
                f"{path}: is {size[0]} x {size[1]} pixels, but {record.height} x {record.width} "
                "in the COCO file; convert the images again"
            )
    return slices


def model_to_train(
    settings: RunSettings, name: str, data: Path, soft_labels: Path | None = None
) -> ModelToTrain:
    """Return what a run's settings say of a model: a radiologist by name, or the final model.

    Any other name, such as the control's, stands for the final model's settings. Final and control
    share a seed, and no other model: they differ in their data alone. `data` is a folder with
    `train.json` and `validation.json`.
    """
    names = [radiologist.name for radiologist in settings.radiologists]
    order = 1 + names.index(name) if name in names else 0
    schedule = settings.radiologists[order - 1] if order else settings.final
    return ModelToTrain(
        name=name,
        train=data / datasets.TRAIN,
        validation=data / datasets.VALIDATION,
        detector=settings.detector,
        augmentation=settings.augmentation,
        schedule=TrainingSettings(
            learning_rate=schedule.learning_rate, iterations=schedule.iterations
        ),
        seed=settings.seed * 1000 + order,
        soft_labels=soft_labels,
        labelled_share=settings.soft_labels.labelled_share if soft_labels else 1.0,
        preprocess=settings.preprocess,
    )


def train_model(model: ModelToTrain, folder: Path) -> None:
    """Train one model into its folder."""
    from fewshot.detector.data import TrainingSource
    from fewshot.detector.training import TrainingJob, train_detector
    from fewshot.radiologists.soft_labels import with_soft_labels

    labelled = check_images(read_coco(model.train))
    validation = check_images(read_coco(model.validation))
    if not len(labelled):
        raise InputError(f"{model.train}: holds no slices; there is nothing to train on")
    sources = [TrainingSource(labelled)]
    if model.soft_labels is not None:
        soft = check_images(with_soft_labels(read_coco(model.soft_labels)))
        if len(soft):
            share = model.labelled_share
            sources = [TrainingSource(labelled, share), TrainingSource(soft, 1 - share)]
        else:
            warn(f"{model.soft_labels}: holds no soft labels; {model.name} trains on labels alone")
    job = TrainingJob(
        name=model.name,
        sources=sources,
        validation=validation,
        detector=model.detector,
        augmentation=model.augmentation,
        schedule=model.schedule,
        seed=model.seed,
        preprocess=model.preprocess,
    )
    with progress(f"training {model.name}", model.schedule.iterations) as advance:
        precision = train_detector(job, folder, advance)
    say(f"{model.name}: validation AP {precision.ap:.3f}, AP50 {precision.ap50:.3f}")


def weigh(models: Mapping[str, Path], target: Path) -> None:
    """Write each radiologist's average precision and weight."""
    from fewshot.detector.model import describe_detector

    descriptions = {name: describe_detector(folder) for name, folder in models.items()}
    precisions = {
        name: float(description["average_precision"]["ap"])
        for name, description in descriptions.items()
    }
    weights = weights_from_precision(precisions)
    write_json(target, {"average_precision": precisions, "weights": weights})
    say("weights: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))


def read_weights(path: Path) -> dict[str, float]:
    """Return radiologist → weight from what `weigh` wrote."""
    content = read_json(path)
    weights = content.get("weights") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(weight, int | float) and 0 <= weight <= 1 for weight in weights.values()
    ):
        raise InputError(f"{path}: holds no radiologists' weights; run train-radiologists again")
    return weights


@dataclass(frozen=True)
class SoftLabelling:
    """What soft-labelling reads and how."""

    unlabelled: Path
    labelled: Path
    weights: Path
    models: Mapping[str, Path]
    thresholds: Mapping[str, float]
    runaway_ratio: float
    seed: int
    device: str


def make_soft_labels(what: SoftLabelling, folder: Path) -> None:
    """Write `annotations.json`, `assignment.json` and `audit.json`, and print the audit."""
    from fewshot.radiologists.soft_labels import soft_label

    unlabelled = check_images(read_coco(what.unlabelled))
    labelled = read_coco(what.labelled)
    weights = read_weights(what.weights)
    missing = set(weights) ^ set(what.models)
    if missing:
        raise InputError(
            f"{what.weights}: {sorted(missing)[0]!r} is in there or in the settings, not in both; "
            "give the settings that these radiologists were trained with"
        )
    ids = [record.image_id for record in unlabelled.records]
    assignment = assign_slices(ids, weights, what.seed)
    soft = soft_label(unlabelled, assignment, what.models, what.thresholds, what.device)
    audit = audit_soft_labels(soft, labelled, assignment, what.runaway_ratio)
    write_coco(folder / "annotations.json", soft, "soft labels")
    write_json(folder / "assignment.json", assignment)
    write_json(folder / "audit.json", audit.as_json())
    print_audit(audit)


def predict(model: Path, data: SliceSet, target: Path, device: str = "auto") -> None:
    """Write a model's predicted masks of some slices as COCO with scores."""
    from fewshot.detector.model import load_detector
    from fewshot.detector.prediction import predict_slices

    check_images(data)
    detector = load_detector(model, device)
    with progress(f"predicting {target.stem} with {detector.name}", len(data)) as advance:
        masks = list(predict_slices(detector, data, advance))
    write_coco(target, data.with_masks(masks), f"predictions of {detector.name}")


def calibrate(
    truth: Path,
    predictions: Path,
    merge: MergeSettings,
    score_threshold: float | None,
    target: Path,
) -> None:
    """Choose the merge rule for each metric on validation slices; write both with their curves."""
    labels, masks = read_validation(truth, predictions)
    chosen = {
        metric: choose_rule(labels, masks, merge, metric, score_threshold).as_json()
        for metric in METRICS
    }
    write_json(target, chosen)


def read_validation(
    truth: Path, predictions: Path
) -> tuple[dict[int, LabelMap], Mapping[int, SliceMasks]]:
    """Return labelled slices' label maps, and the masks that were predicted of the same slices.

    Raises `InputError` when there are no slices, or the predictions are of others.
    """
    labelled, predicted = read_coco(truth), read_coco(predictions)
    if not len(labelled):
        raise InputError(f"{truth}: holds no slices; a merge rule needs labelled ones to be chosen")
    known = {replace(record, group=None) for record in predicted.records}
    for record in labelled.records:
        if replace(record, group=None) not in known:
            raise InputError(
                f"{predictions}: holds no prediction of {record.file_name!r} in {truth}; "
                "give a model's predictions of that file"
            )
    return true_label_maps(labelled), predicted.masks


def read_rule(path: Path, metric: Metric) -> MergeRule:
    """Return the rule chosen for a metric from what `calibrate` wrote."""
    content = read_json(path)
    try:
        return MergeRule(**content[metric]["rule"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no merge rule for {metric}; calibrate again") from error


def merge(predictions: Path, rule: MergeRule, target: Path) -> None:
    """Write predictions without overlaps, as COCO: one mask a region of the merged label map."""
    slices = read_coco(predictions)
    merged = (
        SliceMasks.from_label_map(
            record.image_id, merge_masks(slices.masks_of(record.image_id), rule), "merged"
        )
        for record in slices.records
    )
    write_coco(target, slices.with_masks(merged), f"merged masks ({asdict(rule)})")


def submit(merged: Path, target: Path, form: str = "named") -> None:
    """Write merged masks as the challenge's submission CSV."""
    slices = read_coco(merged)
    label_maps = [_label_map(slices, record) for record in slices.records]
    names = [record.file_name for record in slices.records]
    write_submission(target, names, label_maps, cast(Any, form))


def true_label_maps(truth: SliceSet) -> dict[int, LabelMap]:
    """Return image id → label map of labelled slices; labels do not overlap."""
    return {record.image_id: _label_map(truth, record) for record in truth.records}


def score_predictions(truth: Path, predictions: Path, rule: MergeRule) -> RandSummary:
    """Score predictions merged by a rule against labelled slices."""
    masks = read_coco(predictions)

    def prediction(record: SliceRecord) -> LabelMap:
        return merge_masks(masks.masks_of(record.image_id), rule)

    return _score(read_coco(truth), prediction)


def score_watershed(truth: Path, settings: WatershedSettings) -> RandSummary:
    """Score the organisers' baseline on labelled slices."""
    slices = read_coco(truth)

    def prediction(record: SliceRecord) -> NDArray[np.int32]:
        return watershed_label_map(read_image(slices.path_of(record)), settings)

    return _score(slices, prediction)


def _score(slices: SliceSet, prediction: Any) -> RandSummary:
    scores: dict[str, RandScore] = {
        record.file_name: score_slice(_label_map(slices, record), prediction(record))
        for record in slices.records
    }
    return summarise(scores)


def _label_map(slices: SliceSet, record: SliceRecord) -> LabelMap:
    masks = slices.masks_of(record.image_id)
    return merge_masks(masks, MergeRule(score_threshold=0.0))
