"""Soft labels of the unlabelled slices, and the reliability of the radiologists."""

from collections.abc import Mapping
from dataclasses import dataclass

from fewshot.masks.coco import SliceSet
from fewshot.radiologists.reliability import Reliability


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """The radiologists' soft labels of the unlabelled slices.

    Attributes:
        certain: the slices with their soft labels.
        uncertain: the same slices with masks that are neither labels nor background.
        assignment: radiologist → image ids that it labelled; `vote` → all ids, for a vote.
        reliability: the same names → precision by score, learnt on the validation slices.
        thresholds: the same names → minimum score of soft labels.
    """

    certain: SliceSet
    uncertain: SliceSet
    assignment: Mapping[str, list[int]]
    reliability: Mapping[str, Reliability]
    thresholds: Mapping[str, float]


def with_soft_labels(soft: SliceSet) -> SliceSet:
    """Return only the slices with at least one soft label.

    Others are left out of training: no predicted mask is no evidence of an empty slice.
    """
    return soft.subset(
        [record.image_id for record in soft.records if len(soft.masks_of(record.image_id))]
    )
