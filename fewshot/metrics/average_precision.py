"""COCO average precision of instance masks."""

import contextlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fewshot.errors import InputError
from fewshot.masks.predicted import SliceMasks


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision in 0..1: the mean over IoU 0.50:0.05:0.95, at IoU 0.50 and at IoU 0.75."""

    ap: float
    ap50: float
    ap75: float


def average_precision(
    truth: Iterable[SliceMasks], predictions: Mapping[int, SliceMasks]
) -> AveragePrecision:
    """Return COCO's mask average precision of predictions, for one class and masks of all sizes.

    `truth` lists every slice to score, including those without labels; predictions for other slices
    are ignored, and a slice that is not in `predictions` has none. As in COCO, the 100 highest
    scoring masks of each slice count. Without any true mask or any prediction the average
    precision is 0.

    Raises `InputError` when a slice is given twice or sizes of truth and prediction differ.
    Source: T.-Y. Lin et al., Microsoft COCO, ECCV 2014; computed by pycocotools.
    """
    slices = list(truth)
    found = []
    for one in slices:
        masks = predictions.get(one.image_id)
        if masks is None:
            continue
        if (masks.height, masks.width) != (one.height, one.width):
            raise InputError(
                f"image {one.image_id}: predicted masks are {masks.height} x {masks.width}, "
                f"true masks {one.height} x {one.width}"
            )
        found.append(masks)
    if len({one.image_id for one in slices}) != len(slices):
        raise InputError("average precision: a slice is given twice; give each id once")
    if not any(map(len, slices)) or not any(map(len, found)):
        return AveragePrecision(0.0, 0.0, 0.0)
    precision = _precision(slices, found)
    return AveragePrecision(
        ap=float(precision.mean()), ap50=float(precision[0].mean()), ap75=float(precision[5].mean())
    )


def _precision(truth: list[SliceMasks], found: list[SliceMasks]) -> NDArray[np.float64]:
    """Return the precision at (IoU 0.50 ... 0.95, recall 0 ... 1.00), shape (10, 101)."""
    # pycocotools prints its progress, which does not belong on a command's standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(truth, truth), _coco(truth, found), iouType="segm")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, 0, 0, 0]
    return precision


def _coco(slices: list[SliceMasks], masks: list[SliceMasks]) -> Any:
    """Return the masks as a COCO object, built by hand because `loadRes` fails on an empty list."""
    annotations: list[dict[str, Any]] = []
    for one in masks:
        for score, rle, area in zip(one.scores.tolist(), one.rles, one.areas(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": one.image_id,
                    "category_id": 1,
                    "segmentation": rle,
                    "area": int(area),
                    "iscrowd": 0,
                    "score": score,
                }
            )
    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": one.image_id, "height": one.height, "width": one.width} for one in slices
        ],
        "categories": [{"id": 1, "name": "organ"}],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
