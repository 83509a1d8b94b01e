"""The answer of a model for slices: label maps, regions with scores, and a picture of them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import read_image

_SHOWN = 8  # slices in the picture
_ROW = 4  # slices beside each other
_SIDE = 288  # pixels of a slice's longer side
_GAP = 6


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The regions that a model finds on slices.

    Attributes:
        slices: the slices in order of image id, with one mask a region, none of them overlapping.
        label_maps: of each slice, (height, width) uint8: 0 is background, ids run from 1 with the
            largest region first, as in a run's submission. An id is a region, not an organ.
        pictures: the first slices as grey values, to be drawn.
        patients: name → identifier, where names of slices are made from identifiers of patients.
    """

    slices: SliceSet
    label_maps: tuple[NDArray[np.uint8], ...]
    pictures: tuple[NDArray[np.uint8], ...] = ()
    patients: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label_maps)

    @property
    def label_map(self) -> NDArray[np.uint8]:
        """The label map of the only slice; `InputError` where there are several."""
        if len(self) != 1:
            raise InputError(f"{len(self)} slices: has no single label map; use label_maps")
        return self.label_maps[0]

    @property
    def names(self) -> list[str]:
        """The names of the slices."""
        return [record.file_name for record in self.slices.records]

    @property
    def masks(self) -> tuple[NDArray[np.bool_], ...]:
        """The regions of each slice, bool (regions, height, width), in order of their ids."""
        return tuple(self._masks_of(place).decode() for place in range(len(self)))

    @property
    def scores(self) -> tuple[NDArray[np.float32], ...]:
        """The scores of each slice's regions, (regions,), 0 to 1, in order of their ids."""
        return tuple(self._masks_of(place).scores for place in range(len(self)))

    def _masks_of(self, place: int) -> SliceMasks:
        return self.slices.masks_of(self.slices.records[place].image_id)

    def __repr__(self) -> str:
        regions = sum(len(one) for one in self.slices.masks.values())
        return f"Segmentation({len(self)} slices, {regions} regions)"

    def _repr_png_(self) -> bytes:
        """Return the first slices with their regions as a PNG; notebooks show it."""
        from PIL import Image

        from fewshot.drawing.contours import filled
        from fewshot.drawing.palette import DARK_PAGE

        tiles = [
            Image.fromarray(filled(picture, [(labels == k, k - 1) for k in _ids(labels)], _SIDE))
            for picture, labels in zip(self.pictures, self.label_maps, strict=False)
        ]
        columns, rows = min(len(tiles), _ROW) or 1, -(-len(tiles) // _ROW) or 1
        step = _SIDE + _GAP
        sheet = Image.new("RGB", (columns * step - _GAP, rows * step - _GAP), DARK_PAGE)
        for place, tile in enumerate(tiles):
            sheet.paste(tile, (place % _ROW * step, place // _ROW * step))
        buffer = io.BytesIO()
        sheet.save(buffer, format="PNG")
        return buffer.getvalue()


def segmentation_of(
    predicted: SliceSet, rule: MergeRule, source: str, patients: Mapping[str, str]
) -> Segmentation:
    """Return predicted masks without overlaps; `source` is what the regions say they are from."""
    regions, label_maps = [], []
    for record in predicted.records:
        masks = predicted.masks_of(record.image_id)
        merged = merge_masks(masks, rule)
        # The ids of a submission, which is made from merged masks without scores.
        labels = SliceMasks.from_label_map(record.image_id, merged).to_label_map()
        one = SliceMasks.from_label_map(record.image_id, labels, source)
        regions.append(replace(one, scores=_scores(masks, rule, merged, labels)))
        label_maps.append(labels)
    shown = predicted.records[:_SHOWN]
    pictures = tuple(read_image(predicted.path_of(record)) for record in shown)
    return Segmentation(predicted.with_masks(regions), tuple(label_maps), pictures, patients)


def _scores(
    masks: SliceMasks, rule: MergeRule, merged: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the score of each region in `labels`, from the mask that it was painted with."""
    kept = masks.above(rule.score_threshold)
    order = painted_rows(kept, rule)
    first = [int(merged[labels == number][0]) for number in _ids(labels)]
    return np.array([kept.scores[order[number - 1]] for number in first], np.float32)


def painted_rows(kept: SliceMasks, rule: MergeRule) -> list[int]:
    """Return the row of the mask behind each id of a merged label map."""
    from fewshot.masks.painting import paint

    return paint(kept.rles, kept.scores, (kept.height, kept.width), rule.min_area)[1]


def _ids(labels: NDArray[np.uint8]) -> list[int]:
    return [number for number in np.unique(labels).tolist() if number]
