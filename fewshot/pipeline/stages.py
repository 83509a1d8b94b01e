"""The stages as functions from files to files; each is also a command of its own.

Every function reads its inputs from the paths it is given, and leaves whole files or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fewshot.classical.watershed import WatershedSettings, watershed_label_map
from fewshot.config.base import Metric
from fewshot.config.tree import MergeSettings, PredictionSettings
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.masks.coco import SliceRecord, SliceSet, open_coco, read_coco, write_masks
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.calibration import choose_rule
from fewshot.metrics.rand import RandScore, RandSummary, score_slice, summarise
from fewshot.progress import no_progress, progress
from fewshot.radiologists.mask_source import redrawn
from fewshot.slices.images import image_size, read_image
from fewshot.submission.submission import write_submission

METRICS: tuple[Metric, ...] = ("all", "foreground")
PLAINLY = PredictionSettings()
LabelMap = NDArray[np.uint8]


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


def predict(
    models: Sequence[Path],
    data: SliceSet,
    target: Path,
    settings: PredictionSettings = PLAINLY,
    device: str = "auto",
    weights: Mapping[str, float] | None = None,
    outlines: Path | None = None,
) -> None:
    """Write the predicted masks of some slices as COCO with scores.

    Several models, or several views of one, vote, by `weights` or alike; the masks then bear the
    last model's name. The foreground of the model `outlines`, where given, redraws them (see
    `radiologists.mask_source.redrawn`); it takes one plain look.
    """
    from fewshot.models.ensemble import predict_together
    from fewshot.models.registry import load_model

    check_images(data)
    loaded = [load_model(model, device) for model in models]
    artist = None if outlines is None else load_model(outlines, device)
    name = loaded[-1].name
    ordered = data.in_order()
    with progress(f"predicting {target.stem} with {name}", len(data)) as advance:
        masks = predict_together(loaded, ordered, name, weights, settings.views, advance)
        if artist is not None:
            masks = map(redrawn, masks, artist.predict(ordered, no_progress, None))
        write_masks(target, ordered, masks, f"predictions of {name}")


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
    stream = open_coco(predictions)
    merged = (
        SliceMasks.from_label_map(masks.image_id, merge_masks(masks, rule), "merged")
        for masks in stream.masks()
    )
    write_masks(target, stream.slices, merged, f"merged masks ({asdict(rule)})")


def submit(merged: Path, target: Path, form: str = "named") -> None:
    """Write merged masks as the challenge's submission CSV."""
    stream = open_coco(merged)
    names = [record.file_name for record in stream.slices.records]
    write_submission(target, names, map(_merged_map, stream.masks()), cast(Any, form))


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
    return _merged_map(slices.masks_of(record.image_id))


def _merged_map(masks: SliceMasks) -> LabelMap:
    return merge_masks(masks, MergeRule(score_threshold=0.0))
