"""An audit of soft labels before a model is trained on them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fewshot.masks.coco import SliceSet
from fewshot.progress import say, warn
from fewshot.radiologists.reliability import NEVER
from fewshot.radiologists.soft_label_set import SoftLabels

# In the scores' own precision: a score of 0.7 belongs to [0.7, 0.8).
_BINS = np.linspace(0, 1, 11, dtype=np.float32)
_RUNAWAY = 2.0  # times the labelled set's masks a slice


@dataclass(frozen=True)
class Audit:
    """Statistics of a set of soft labels.

    Attributes:
        slices: number of unlabelled slices that were predicted.
        labelled: number of those with at least one mask.
        empty: number of those without a mask.
        masks: total number of masks.
        masks_per_slice: masks per slice with at least one.
        masks_per_labelled_slice: the same in the labelled set, for comparison.
        uncertain: number of masks to be ignored in training.
        by_radiologist: name → slices predicted, slices labelled, masks; `vote` for a vote of all.
        reliability: name → `threshold`, the minimum score of its masks (None if it has none), and
            the piecewise linear curve of precision against score on the validation slices
            (`scores`, `precision`).
        score_histogram: masks with a score in [0, 0.1), [0.1, 0.2), … [0.9, 1].
        runaway: whether masks per slice are more than twice those of the labelled set.
    """

    slices: int
    labelled: int
    empty: int
    masks: int
    masks_per_slice: float
    masks_per_labelled_slice: float
    uncertain: int
    by_radiologist: dict[str, dict[str, int]]
    reliability: dict[str, dict[str, Any]]
    score_histogram: list[int]
    runaway: bool

    def as_json(self) -> dict[str, Any]:
        """Return the audit as plain values."""
        return asdict(self)


def audit_soft_labels(labels: SoftLabels, labelled: SliceSet) -> Audit:
    """Compare soft labels with the labelled slices.

    Args:
        labels: of all slices that were predicted.
        labelled: the labelled training slices.
    """
    soft = labels.certain
    counts = {record.image_id: len(soft.masks_of(record.image_id)) for record in soft.records}
    found = [count for count in counts.values() if count]
    truth = [len(labelled.masks_of(record.image_id)) for record in labelled.records]
    rate = _mean(found)
    labelled_rate = _mean([count for count in truth if count])
    scores = [soft.masks_of(record.image_id).scores for record in soft.records]
    histogram, _ = np.histogram(
        np.concatenate([*scores, np.zeros(0, dtype=np.float32)]), bins=_BINS
    )
    return Audit(
        slices=len(counts),
        labelled=len(found),
        empty=len(counts) - len(found),
        masks=sum(found),
        masks_per_slice=rate,
        masks_per_labelled_slice=labelled_rate,
        uncertain=_masks_in(labels.uncertain),
        by_radiologist={
            name: {
                "slices": len(ids),
                "labelled": sum(counts[i] > 0 for i in ids),
                "masks": sum(counts[i] for i in ids),
            }
            for name, ids in labels.assignment.items()
        },
        reliability={name: _reliability(labels, name) for name in labels.reliability},
        score_histogram=histogram.tolist(),
        runaway=rate > _RUNAWAY * labelled_rate,
    )


def print_audit(audit: Audit) -> None:
    """Print the audit, and warn of what would harm the final model."""
    say(
        f"soft labels: {audit.labelled} of {audit.slices} slices labelled, {audit.empty} empty; "
        f"{audit.masks_per_slice:.1f} masks per slice, {audit.masks_per_labelled_slice:.1f} in the "
        "labelled set"
    )
    for name, counts in audit.by_radiologist.items():
        say(
            f"  {name}: {counts['labelled']} of {counts['slices']} slices labelled, "
            f"{counts['masks']} masks"
        )
    if audit.masks:
        bars = " ".join(str(count) for count in audit.score_histogram)
        say(f"  masks by score, 0.0 to 1.0 in steps of 0.1: {bars}")
    if audit.uncertain:
        say(f"  {audit.uncertain} uncertain masks, which training ignores")
    if audit.slices and not audit.masks:
        warn(
            "no soft labels: the final model is trained on labelled slices only; "
            "lower the radiologists' score_threshold or train them longer"
        )
    if audit.runaway:
        warn(
            f"too many soft labels: {audit.masks_per_slice:.1f} masks per slice, but "
            f"{audit.masks_per_labelled_slice:.1f} in the labelled set; raise the radiologists' "
            "score_threshold before you trust the final model"
        )


def _masks_in(slices: SliceSet) -> int:
    return sum(len(slices.masks_of(record.image_id)) for record in slices.records)


def _reliability(labels: SoftLabels, name: str) -> dict[str, Any]:
    known, threshold = labels.reliability[name], labels.thresholds[name]
    return {
        "threshold": None if threshold >= NEVER else threshold,
        "scores": known.scores.tolist(),
        "precision": known.precision.tolist(),
    }


def _mean(counts: list[int]) -> float:
    return float(np.mean(counts)) if counts else 0.0
