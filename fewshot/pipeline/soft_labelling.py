"""Soft-labelling as a stage: from radiologists and unlabelled slices to COCO files and an audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fewshot.config.tree import RunSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks.coco import check_images, read_coco, write_coco
from fewshot.pipeline.training import read_weights
from fewshot.radiologists.audit import audit_soft_labels, print_audit
from fewshot.run.names import (
    ANNOTATIONS,
    ASSIGNMENT,
    AUDIT,
    TRAIN,
    UNCERTAIN,
    UNLABELLED,
    VALIDATION,
)


@dataclass(frozen=True)
class SoftLabelling:
    """What soft-labelling reads: the data folder, model folders by name, and weights."""

    data: Path
    models: Mapping[str, Path]
    weights: Path


def make_soft_labels(what: SoftLabelling, settings: RunSettings, folder: Path) -> None:
    """Write the soft labels, the uncertain masks, who read what, and an audit, which is printed.

    Raises `InputError` when the weights are of other radiologists than the settings.
    """
    from fewshot.radiologists.soft_labels import Radiologists, soft_label

    unlabelled = check_images(read_coco(what.data / UNLABELLED))
    validation = check_images(read_coco(what.data / VALIDATION))
    labelled = read_coco(what.data / TRAIN)
    weights = read_weights(what.weights)
    missing = set(weights) ^ set(what.models)
    if missing:
        raise InputError(
            f"{what.weights}: {sorted(missing)[0]!r} is in there or in the settings, not in both; "
            "give the settings that these radiologists were trained with"
        )
    thresholds = {one.name: one.score_threshold for one in settings.radiologists}
    radiologists = Radiologists(what.models, weights, thresholds, settings.detector.device)
    soft = soft_label(
        unlabelled, labelled, validation, radiologists, settings.soft_labels, settings.seed
    )
    audit = audit_soft_labels(soft, labelled, settings.soft_labels.runaway_ratio)
    write_coco(folder / ANNOTATIONS, soft.certain, "soft labels")
    write_coco(folder / UNCERTAIN, soft.uncertain, "masks to be ignored")
    write_json(folder / ASSIGNMENT, dict(soft.assignment))
    write_json(folder / AUDIT, audit.as_json())
    print_audit(audit)
