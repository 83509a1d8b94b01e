"""Label maps of the slices of a set, one after the other."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks

LabelMap = NDArray[np.uint8]


def label_maps(
    slices: SliceSet, records: Iterable[SliceRecord], rule: MergeRule
) -> Iterator[tuple[SliceRecord, LabelMap]]:
    """Yield slices with their merged label maps: ids from 1 on by score, as in a submission.

    Ids belong to a slice: the masks of a COCO file are of one class, so the same structure may
    have another id on the next slice.
    """
    for record in records:
        yield record, merge_masks(slices.masks_of(record.image_id), rule)


def overlapping(slices: SliceSet, rule: MergeRule) -> int:
    """Return on how many slices the masks of at least the rule's score overlap."""
    return sum(
        _overlap(slices.masks_of(record.image_id).above(rule.score_threshold))
        for record in slices.records
    )


def _overlap(masks: SliceMasks) -> bool:
    if len(masks) < 2:
        return False
    # As runs: decoding every mask would take as long as the export itself.
    together = coco_mask.area(coco_mask.merge(list(masks.rles)))
    return bool(masks.areas().sum() > together)
