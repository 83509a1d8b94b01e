"""How much the final model's masks overlap, and what merging makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.coco import SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.report.panels import Exhibit, filled_panel
from fewshot.slices.images import read_image

_MOST = 4


@dataclass(frozen=True)
class Overlap:
    """Pixels of a slice under at least one mask, and under more than one."""

    covered: int
    shared: int


@dataclass(frozen=True)
class Resolution:
    """Overlaps of all slices: how many slices have any, the share of covered pixels that is shared.

    `exhibits` are the slices with most shared pixels, before and after merging.
    """

    slices: int
    overlapping: int
    shared_fraction: float
    exhibits: tuple[Exhibit, ...]


def overlap_of(masks: SliceMasks) -> Overlap:
    """Return how much the masks of a slice overlap."""
    depth = _depth(masks)
    return Overlap(int(np.count_nonzero(depth)), int(np.count_nonzero(depth > 1)))


def read_resolution(
    truth: Path, predictions: Path, rule: MergeRule, overlaps: Mapping[int, Overlap]
) -> Resolution:
    """Return the overlaps of some slices in numbers and in pictures.

    Args:
        truth: COCO file of the slices.
        predictions: COCO file of the masks predicted on them.
        rule: how they are merged; filling of the background is left out of the pictures.
        overlaps: image id → overlap of the masks above the rule's threshold.
    """
    slices, masks = read_coco(truth), read_coco(predictions).masks
    covered = sum(one.covered for one in overlaps.values())
    shared = sum(one.shared for one in overlaps.values())
    worst = sorted(overlaps, key=lambda image_id: (-overlaps[image_id].shared, image_id))[:_MOST]
    return Resolution(
        slices=len(overlaps),
        overlapping=sum(one.shared > 0 for one in overlaps.values()),
        shared_fraction=shared / covered if covered else 0.0,
        exhibits=tuple(
            _exhibit(slices, masks[image_id], rule, overlaps[image_id])
            for image_id in worst
            if overlaps[image_id].shared and image_id in masks
        ),
    )


def _exhibit(slices: SliceSet, masks: SliceMasks, rule: MergeRule, overlap: Overlap) -> Exhibit:
    record = next(one for one in slices.records if one.image_id == masks.image_id)
    path = slices.path_of(record)
    image = (
        read_image(path) if path.is_file() else np.zeros((record.height, record.width), np.uint8)
    )
    kept = masks.above(rule.score_threshold)
    merged = merge_masks(kept, MergeRule(rule.score_threshold, rule.min_area))
    after = [merged == label for label in range(1, int(merged.max()) + 1)]
    # As the merge lays them down, so that a mask keeps its colour.
    order = np.lexsort((-kept.areas(), -kept.scores))
    before = list(kept.select(order).decode())
    names = _colors(before, after)
    note = (
        f"{overlap.shared} of {overlap.covered} covered pixels are under more than one of "
        f"{len(before)} masks; {len(after)} regions are left"
    )
    return Exhibit(
        record.file_name,
        note,
        (
            filled_panel(
                image,
                list(zip(before, range(len(before)), strict=True)),
                "before",
                f"{len(before)} overlapping masks, shared pixels white",
            ),
            filled_panel(
                image,
                list(zip(after, names, strict=True)),
                "after",
                f"{len(after)} regions without overlap",
            ),
        ),
    )


def _colors(before: list[NDArray[np.bool_]], after: list[NDArray[np.bool_]]) -> list[int]:
    """Return which mask each region comes from: the first, in order, that holds all of it."""
    names, start = [], 0
    for region in after:
        while start < len(before) and (region & ~before[start]).any():
            start += 1
        names.append(start)
        start += 1
    return names


def _depth(masks: SliceMasks) -> NDArray[np.uint16]:
    depth = np.zeros((masks.height, masks.width), np.uint16, order="F")
    for mask in masks.decode():
        depth += mask
    return depth
