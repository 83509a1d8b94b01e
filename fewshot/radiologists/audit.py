"""Looking at soft labels before anything is trained on them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fewshot.masks.coco import SliceSet
from fewshot.progress import say, warn

# In the scores' own precision: a score of 0.7 belongs to [0.7, 0.8).
_BINS = np.linspace(0, 1, 11, dtype=np.float32)


@dataclass(frozen=True)
class Audit:
    """What a set of soft labels looks like.

    Attributes:
        slices: number of unlabelled slices that were read.
        labelled: how many of them received at least one mask.
        empty: how many received none.
        masks: number of masks in all.
        masks_per_slice: masks per slice that received any.
        masks_per_labelled_slice: the same rate in the labelled set, for comparison.
        by_radiologist: name → slices read, slices labelled, masks.
        score_histogram: masks with a score in [0, 0.1), [0.1, 0.2), … [0.9, 1].
        runaway: whether the rate is so far above the labelled set's that something is wrong.
    """

    slices: int
    labelled: int
    empty: int
    masks: int
    masks_per_slice: float
    masks_per_labelled_slice: float
    by_radiologist: dict[str, dict[str, int]]
    score_histogram: list[int]
    runaway: bool

    def as_json(self) -> dict[str, Any]:
        """Return the audit as plain values."""
        return asdict(self)


def audit_soft_labels(
    soft: SliceSet,
    labelled: SliceSet,
    assignment: Mapping[str, list[int]],
    runaway_ratio: float,
) -> Audit:
    """Compare soft labels with the labelled slices.

    Args:
        soft: every slice that was read, with the masks that were kept.
        labelled: the labelled training slices.
        assignment: radiologist → the image ids it read.
        runaway_ratio: how many times the labelled set's masks a slice is a runaway.
    """
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
        by_radiologist={
            name: {
                "slices": len(ids),
                "labelled": sum(counts[i] > 0 for i in ids),
                "masks": sum(counts[i] for i in ids),
            }
            for name, ids in assignment.items()
        },
        score_histogram=histogram.tolist(),
        runaway=rate > runaway_ratio * labelled_rate,
    )


def print_audit(audit: Audit) -> None:
    """Print the audit in a few lines, and warn of what would harm the final model."""
    say(
        f"soft labels: {audit.labelled} of {audit.slices} slices labelled, {audit.empty} empty; "
        f"{audit.masks_per_slice:.1f} masks a slice, {audit.masks_per_labelled_slice:.1f} in the "
        "labelled set"
    )
    for name, counts in audit.by_radiologist.items():
        say(
            f"  {name}: read {counts['slices']}, labelled {counts['labelled']}, "
            f"{counts['masks']} masks"
        )
    if audit.masks:
        bars = " ".join(str(count) for count in audit.score_histogram)
        say(f"  masks by score, 0.0 to 1.0 in tenths: {bars}")
    if audit.slices and not audit.masks:
        warn(
            "no soft labels at all: the final model trains on the labelled slices alone; "
            "lower the radiologists' score_threshold or train them longer"
        )
    if audit.runaway:
        warn(
            f"soft labels run away: {audit.masks_per_slice:.1f} masks a slice against "
            f"{audit.masks_per_labelled_slice:.1f} in the labelled set; raise the radiologists' "
            "score_threshold before you trust the final model"
        )


def _mean(counts: list[int]) -> float:
    return float(np.mean(counts)) if counts else 0.0
