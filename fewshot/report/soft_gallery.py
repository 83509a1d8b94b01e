"""The soft-labelled slices that the report shows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.report.gallery_data import (
    Gallery,
    Layer,
    Slide,
    image_or_black,
    numbered,
    picture,
    picture_size,
    regions,
)
from fewshot.report.panels import spread

_SOFT = "soft"
_MOST = 48


def read_soft_gallery(path: Path) -> Gallery | None:
    """Return some soft-labelled slices, spread from the least to the most certain; None if none."""
    if not path.is_file():
        return None
    soft = read_coco(path)
    labelled = [record for record in soft.records if len(soft.masks_of(record.image_id))]
    if not labelled:
        return None
    certainty = {
        record.image_id: float(soft.masks_of(record.image_id).scores.mean()) for record in labelled
    }
    ranked = sorted(range(len(labelled)), key=lambda row: certainty[labelled[row].image_id])
    chosen = [labelled[row] for row in sorted(spread(ranked, _MOST))]
    slides = [
        _soft_slide(soft, record, certainty[record.image_id], len(chosen)) for record in chosen
    ]
    return Gallery(
        key="soft",
        layers=[Layer(_SOFT, "soft labels")],
        sorts={"certainty": "mean score of the masks", "masks": "number of masks"},
        slides=slides,
        left_out=len(labelled) - len(chosen),
    )


def _soft_slide(soft: SliceSet, record: SliceRecord, certainty: float, slices: int) -> Slide:
    masks = soft.masks_of(record.image_id)
    image, remark = image_or_black(soft, record)
    size, quality = picture_size(image.shape, slices)
    count = "1 mask" if len(masks) == 1 else f"{len(masks)} masks"
    return Slide(
        record.file_name,
        picture(image, size, quality),
        *size,
        layers={_SOFT: regions(masks, numbered(len(masks)), size)},
        values={"certainty": certainty, "masks": len(masks)},
        note=f"{count} by {_names(masks.sources)}, scores {_span(masks.scores)}{remark}",
    )


def _names(sources: Sequence[str]) -> str:
    return ", ".join(sorted(set(sources)))


def _span(scores: NDArray[np.float32]) -> str:
    low, high = f"{scores.min():.2f}", f"{scores.max():.2f}"
    return low if low == high else f"{low} to {high}"
