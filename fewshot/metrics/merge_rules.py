"""Merge rules as files: chosen from COCO files, written and read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.config.tree import MergeSettings
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.calibration import choose_rule

TUNINGS: tuple[Metric, ...] = ("all", "foreground")
"""The variants of the adjusted Rand index, for each of which a merge rule is chosen."""


def calibrate(
    truth: Path,
    predictions: Path,
    merge: MergeSettings,
    score_threshold: float | None,
    target: Path,
) -> None:
    """Choose the merge rule for each metric on the validation slices; write both with curves."""
    labels, masks = read_validation(truth, predictions)
    chosen = {
        metric: choose_rule(labels, masks, merge, metric, score_threshold).as_json()
        for metric in TUNINGS
    }
    write_json(target, chosen)


def read_validation(
    truth: Path, predictions: Path
) -> tuple[dict[int, NDArray[np.uint8]], Mapping[int, SliceMasks]]:
    """Return the label maps of labelled slices, and the masks predicted for the same slices.

    Raises `InputError` when there are no slices, or the predictions are for others.
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


def true_label_maps(truth: SliceSet) -> dict[int, NDArray[np.uint8]]:
    """Return image id → label map of labelled slices; labels do not overlap."""
    ids = [record.image_id for record in truth.records]
    return {image_id: truth.masks_of(image_id).to_label_map() for image_id in ids}


def read_rule(path: Path, metric: Metric) -> MergeRule:
    """Return the rule chosen for a metric from what `calibrate` wrote."""
    content = read_json(path)
    try:
        return MergeRule(**content[metric]["rule"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no merge rules for {metric}; calibrate again") from error
