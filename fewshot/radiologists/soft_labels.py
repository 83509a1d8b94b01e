"""Soft-labelling (pseudo-labelling) of slices, by one radiologist each or by a vote of all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from fewshot.config.tree import ExperimentalSettings, SoftLabelSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.models.ensemble import predict_together
from fewshot.models.interface import Model
from fewshot.models.registry import load_model
from fewshot.progress import progress
from fewshot.radiologists.mask_source import divide_foreground
from fewshot.radiologists.reliability import Reliability, learn_reliability
from fewshot.radiologists.selection import Selection, most_masks, select
from fewshot.radiologists.soft_label_set import SoftLabels
from fewshot.radiologists.weights import assign_slices

NOTHING_NEW: Final = ExperimentalSettings()
VOTE: Final = "vote"  # the name under which all radiologists label together


@dataclass(frozen=True)
class Radiologists:
    """Trained radiologists: model folders, weights and thresholds by name."""

    models: Mapping[str, Path]
    weights: Mapping[str, float]
    thresholds: Mapping[str, float]
    device: str = "auto"

    def load(self, *names: str) -> dict[str, Model]:
        """Return the models with these names, or all of them, ready to predict.

        Raises `InputError` if a folder cannot be used or contains a model of another name.
        """
        found = {
            name: load_model(folder, self.device)
            for name, folder in self.models.items()
            if not names or name in names
        }
        for name, model in found.items():
            if model.name != name:
                raise InputError(
                    f"{self.models[name]}: contains the model {model.name!r}, not {name!r}; give "
                    "the folder that train-radiologists wrote"
                )
        return found


class _Predict(Protocol):
    """Prediction of slices by one radiologist or by a vote of all."""

    def __call__(self, slices: SliceSet, what: str) -> Iterator[SliceMasks]: ...


def soft_label(
    unlabelled: SliceSet,
    labelled: SliceSet,
    validation: SliceSet,
    radiologists: Radiologists,
    settings: SoftLabelSettings,
    seed: int,
    experimental: ExperimentalSettings = NOTHING_NEW,
) -> SoftLabels:
    """Return soft labels for the unlabelled slices.

    Args:
        unlabelled: the slices to label.
        labelled: the training slices, for `max_masks_per_slice: auto`.
        validation: labelled slices that no radiologist was trained on, from which the precision of
            scores is learnt.
        radiologists: the models that label them.
        settings: assignment of slices, and thresholds.
        seed: of the random assignment of slices.
        experimental: thresholds as precision, and a limit on masks per slice.
    """
    ids = [record.image_id for record in unlabelled.records]
    assignment: dict[str, list[int]] = {VOTE: ids}
    wanted: dict[str, float] = {VOTE: settings.vote_threshold}
    if settings.assignment != VOTE:
        assignment = assign_slices(ids, radiologists.weights, seed)
        wanted = dict(radiologists.thresholds)
    predictors = _predictors(radiologists, settings)
    reliability = {
        name: _reliability(name, predict, validation) for name, predict in predictors.items()
    }
    thresholds = {
        name: reliability[name].threshold(at) if experimental.precision_thresholds else at
        for name, at in wanted.items()
    }
    most = experimental.max_masks_per_slice
    if most == "auto":
        most = most_masks(labelled.masks_of(one.image_id) for one in labelled.records)
    foregrounds = _foregrounds(unlabelled, radiologists, settings)
    certain: list[SliceMasks] = []
    uncertain: list[SliceMasks] = []
    for name, image_ids in assignment.items():
        selection = Selection(
            thresholds[name],
            _lower_bound(settings, reliability[name], experimental.precision_thresholds),
            most,
        )
        share = unlabelled.subset(image_ids)
        for masks in predictors[name](share, f"soft labels by {name}") if len(share) else ():
            sure, unsure = select(masks, selection)
            if foregrounds:
                sure, unsure = divide_foreground(sure, unsure, foregrounds[masks.image_id])
            certain.append(sure)
            uncertain.append(unsure)
    return SoftLabels(
        unlabelled.with_masks(certain),
        unlabelled.with_masks(uncertain),
        assignment,
        reliability,
        thresholds,
    )


def _foregrounds(
    unlabelled: SliceSet, radiologists: Radiologists, settings: SoftLabelSettings
) -> dict[int, SliceMasks]:
    """Return the predictions of the radiologist that is the mask source, by slice, if any.

    They are made without test-time augmentation: a vote drops pixels that views disagree about,
    which makes the masks worse (docs/soft-labels.md).
    """
    name = settings.mask_source
    if name is None or not len(unlabelled):
        return {}
    model = radiologists.load(name)[name]
    with progress(f"foreground by {name}", len(unlabelled)) as advance:
        return {masks.image_id: masks for masks in model.predict(unlabelled, advance, None)}


def _predictors(radiologists: Radiologists, settings: SoftLabelSettings) -> dict[str, _Predict]:
    models = radiologists.load(*(set(radiologists.models) - {settings.mask_source}))

    def predictor(names: list[str], source: str) -> _Predict:
        chosen = [models[name] for name in names]

        def predict(slices: SliceSet, what: str) -> Iterator[SliceMasks]:
            with progress(what, len(slices)) as advance:
                yield from predict_together(
                    chosen, slices, source, radiologists.weights, settings.tta, advance
                )

        return predict

    if settings.assignment == VOTE:
        return {VOTE: predictor(list(models), VOTE)}
    return {name: predictor([name], name) for name in models}


def _reliability(name: str, predict: _Predict, validation: SliceSet) -> Reliability:
    truth = [validation.masks_of(record.image_id) for record in validation.records]
    found = {masks.image_id: masks for masks in predict(validation, f"validation slices by {name}")}
    return learn_reliability(truth, found)


def _lower_bound(
    settings: SoftLabelSettings, reliability: Reliability, by_precision: bool
) -> float | None:
    """Return the minimum score of ignore regions, or None for no such regions."""
    if not settings.ignore_threshold:
        return None
    if by_precision:
        return reliability.threshold(settings.ignore_threshold)
    return settings.ignore_threshold
