"""Soft-labelling: each radiologist reads its share of the unlabelled slices."""

from collections.abc import Mapping
from pathlib import Path

from fewshot.detector.model import load_detector
from fewshot.detector.prediction import predict_slices
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import progress


def soft_label(
    unlabelled: SliceSet,
    assignment: Mapping[str, list[int]],
    models: Mapping[str, Path],
    thresholds: Mapping[str, float],
    device: str = "auto",
) -> SliceSet:
    """Return the unlabelled slices with the masks their radiologists are sure enough of.

    Args:
        unlabelled: the slices to label.
        assignment: radiologist → image ids it reads; every slice once.
        models: radiologist → its model folder.
        thresholds: radiologist → the score a mask needs to be kept.
        device: `cpu`, `cuda` or `auto`.
    """
    found: list[SliceMasks] = []
    for name, image_ids in assignment.items():
        share = unlabelled.subset(image_ids)
        if not len(share):
            continue
        detector = load_detector(models[name], device)
        with progress(f"soft labels by {name}", len(share)) as advance:
            for masks in predict_slices(detector, share, advance):
                found.append(masks.above(thresholds[name]))
    return unlabelled.with_masks(found)


def with_soft_labels(soft: SliceSet) -> SliceSet:
    """Return only the slices that received at least one soft label.

    A slice without any is left out of training: that its radiologist saw nothing is no evidence
    that nothing is there.
    """
    return soft.subset(
        [record.image_id for record in soft.records if len(soft.masks_of(record.image_id))]
    )
