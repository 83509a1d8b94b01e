"""Label maps of the slices of a set, one after the other."""

from collections.abc import Iterable, Iterator

from pycocotools import mask as coco_mask

from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.merge import MergeRule, merge_masks, merge_structures
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.arrays import LabelMap


def label_maps(
    slices: SliceSet, records: Iterable[SliceRecord], rule: MergeRule
) -> Iterator[tuple[SliceRecord, LabelMap]]:
    """Yield slices with their merged label maps, uint8 or, of structures, uint16.

    Where every mask of the set says of which structure it is (`fewshot volume` links them), ids
    are the structures'. Otherwise they run from 1 on by score, as in a submission, and belong to a
    slice: the same structure may have another id on the next one.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> masks = SliceMasks.from_label_map(7, np.array([[0, 4, 4]]))
    >>> slices = SliceSet(Path("images"), (SliceRecord(7, "a.png", 1, 3),), {7: masks})
    >>> for record, label_map in label_maps(slices, slices.records, MergeRule()):
    ...     print(record.file_name, label_map.tolist())
    a.png [[0, 1, 1]]
    """
    structures = has_structures(slices)
    for record in records:
        masks = slices.masks_of(record.image_id)
        yield record, merge_structures(masks, rule) if structures else merge_masks(masks, rule)


def has_structures(slices: SliceSet) -> bool:
    """Return whether there are masks, and every one says of which structure it is."""
    known = [bool(masks.structures) for masks in slices.masks.values() if len(masks)]
    return bool(known) and all(known)


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
