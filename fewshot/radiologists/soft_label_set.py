"""Soft labels: what the radiologists said of the unlabelled slices, and how reliable they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from fewshot.masks.coco import SliceSet
from fewshot.radiologists.reliability import Reliability


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What the radiologists said of the unlabelled slices.

    Attributes:
        certain: the slices with their soft labels.
        uncertain: the same slices with the masks that are neither labels nor background.
        assignment: radiologist → the image ids that it labelled; `vote` → all, where all labelled
            all.
        reliability: the same names → how often a score is right, learnt on the validation slices.
        thresholds: the same names → the score from which masks became soft labels.
    """

    certain: SliceSet
    uncertain: SliceSet
    assignment: Mapping[str, list[int]]
    reliability: Mapping[str, Reliability]
    thresholds: Mapping[str, float]


def with_soft_labels(soft: SliceSet) -> SliceSet:
    """Return only the slices that received at least one soft label.

    A slice without any is left out of training: that its radiologist saw nothing is no evidence
    that nothing is there.
    """
    return soft.subset(
        [record.image_id for record in soft.records if len(soft.masks_of(record.image_id))]
    )
