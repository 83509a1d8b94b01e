"""Average precision: a case worked by hand, and pycocotools' own road from files to numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack
from fewshot.metrics.average_precision import AveragePrecision, average_precision

ZERO = AveragePrecision(0.0, 0.0, 0.0)


def slice_masks(
    image_id: int, masks: NDArray[np.bool_], scores: list[float] | None = None
) -> SliceMasks:
    count, height, width = masks.shape
    rles = tuple(encode_stack(masks))
    values = np.ones(count) if scores is None else np.array(scores)
    source = "label" if scores is None else "fine"
    return SliceMasks(
        image_id, height, width, values.astype(np.float32), boxes(rles), rles, (source,) * count
    )


def bars(*spans: tuple[int, int]) -> NDArray[np.bool_]:
    """Return masks 100 columns wide in one row, each covering start <= x < stop."""
    columns = np.arange(100)
    rows = [[(start <= columns) & (columns < stop)] for start, stop in spans]
    return np.array(rows, dtype=np.bool_).reshape(len(spans), 1, 100)


def test_by_hand() -> None:
    """Two true masks; by score: IoU 1.0 with the first, nothing, IoU 0.8 with the second.

    Up to IoU 0.80 (7 of 10 thresholds) both are found: precision is 1 up to recall 0.5 (51 of 101
    points) and 2/3 beyond. At 0.85, 0.90 and 0.95 only the first is: 51 points of precision 1.
    """
    truth = slice_masks(5, bars((0, 10), (50, 60)))
    predictions = slice_masks(5, bars((0, 10), (80, 90), (50, 58)), [0.9, 0.8, 0.7])

    result = average_precision([truth], {5: predictions})

    both, first = (51 + 50 * 2 / 3) / 101, 51 / 101
    assert result.ap50 == pytest.approx(both, abs=1e-12)
    assert result.ap75 == pytest.approx(both, abs=1e-12)
    assert result.ap == pytest.approx((7 * both + 3 * first) / 10, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "predictions", "expected"),
    [
        # Nothing to find, something predicted or not.
        ([slice_masks(0, bars())], {0: slice_masks(0, bars((0, 9)), [0.9])}, ZERO),
        ([slice_masks(0, bars())], {}, ZERO),
        ([], {}, ZERO),
        # Something to find, nothing predicted: the list of results is empty.
        ([slice_masks(0, bars((0, 9)))], {}, ZERO),
        ([slice_masks(0, bars((0, 9)))], {0: SliceMasks.empty(0, 1, 100)}, ZERO),
        # All found, one slice of the two being empty.
        (
            [slice_masks(0, bars((0, 9))), SliceMasks.empty(1, 1, 100)],
            {0: slice_masks(0, bars((0, 9)), [0.1])},
            AveragePrecision(1.0, 1.0, 1.0),
        ),
        # Predictions for a slice that is not judged do not count.
        (
            [slice_masks(0, bars((0, 9)))],
            {0: slice_masks(0, bars((0, 9)), [0.1]), 7: slice_masks(7, bars((0, 9)), [0.9])},
            AveragePrecision(1.0, 1.0, 1.0),
        ),
        # The same mask twice: the second is a mistake, after full recall.
        (
            [slice_masks(0, bars((0, 9)))],
            {0: slice_masks(0, bars((0, 9), (0, 9)), [0.9, 0.8])},
            AveragePrecision(1.0, 1.0, 1.0),
        ),
        # A mistake that scores higher halves the precision.
        (
            [slice_masks(0, bars((0, 9)))],
            {0: slice_masks(0, bars((0, 9), (20, 29)), [0.8, 0.9])},
            AveragePrecision(0.5, 0.5, 0.5),
        ),
        # So does one on a slice where there is nothing to find.
        (
            [slice_masks(0, bars((0, 9))), SliceMasks.empty(1, 1, 100)],
            {0: slice_masks(0, bars((0, 9)), [0.8]), 1: slice_masks(1, bars((0, 9)), [0.9])},
            AveragePrecision(0.5, 0.5, 0.5),
        ),
    ],
)
def test_simple_cases(
    truth: list[SliceMasks],
    predictions: dict[int, SliceMasks],
    expected: AveragePrecision,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = average_precision(iter(truth), predictions)

    assert result.ap == pytest.approx(expected.ap, abs=1e-12)
    assert result.ap50 == pytest.approx(expected.ap50, abs=1e-12)
    assert result.ap75 == pytest.approx(expected.ap75, abs=1e-12)
    assert capsys.readouterr().out == ""


def blobs(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    """Return discs at 512 x 512."""
    rows, columns = np.mgrid[:512, :512]
    y, x = rng.integers(0, 512, (2, count, 1, 1))
    radius = rng.integers(4, 80, (count, 1, 1))
    discs: NDArray[np.bool_] = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    return discs


def disturbed(rng: np.random.Generator, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the masks moved a little, and as many more, larger and smaller, of which many miss."""
    moved = [np.roll(mask, rng.integers(-6, 7, 2), axis=(0, 1)) for mask in masks]
    grown = [ndimage.binary_dilation(mask, iterations=int(rng.integers(1, 9))) for mask in masks]
    return np.stack([*moved, *grown, *blobs(rng, len(masks))])


def reference(
    truth: list[SliceMasks], predictions: dict[int, SliceMasks], folder: Path
) -> NDArray[np.float64]:
    """Return COCOeval's twelve numbers, by way of files, `loadRes` and `summarize`."""
    entries: list[dict[str, Any]] = []
    for one in truth:
        for rle, area in zip(one.rles, one.areas().tolist(), strict=True):
            place = {"id": len(entries) + 1, "image_id": one.image_id, "category_id": 1}
            entries.append({**place, "segmentation": rle, "area": area, "iscrowd": 0})
    images = [{"id": one.image_id, "height": one.height, "width": one.width} for one in truth]
    document = {"info": {}, "images": images, "categories": [{"id": 1}], "annotations": entries}
    results = [
        {"image_id": image_id, "category_id": 1, "segmentation": rle, "score": score}
        for image_id, one in predictions.items()
        for rle, score in zip(one.rles, one.scores.tolist(), strict=True)
    ]
    (folder / "truth.json").write_text(json.dumps(document))
    (folder / "results.json").write_text(json.dumps(results))
    coco = COCO(str(folder / "truth.json"))
    evaluation = COCOeval(coco, coco.loadRes(str(folder / "results.json")), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    numbers: NDArray[np.float64] = evaluation.stats
    return numbers


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_cocoeval_on_files(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    masks = [blobs(rng, count) for count in (6, 0, 9, 1, 40)]
    truth = [slice_masks(image_id, one) for image_id, one in enumerate(masks)]
    predictions = {}
    for image_id, one in enumerate(masks):
        found = disturbed(rng, one) if len(one) else blobs(rng, 2)
        scores = np.round(rng.random(len(found)), 2).tolist()  # with ties, and over 100 masks once
        predictions[image_id] = slice_masks(image_id, found, scores)
    del predictions[3]

    result = average_precision(truth, predictions)

    expected = reference(truth, predictions, tmp_path)[:3]
    assert 0.01 < expected[0] < 0.99
    np.testing.assert_allclose([result.ap, result.ap50, result.ap75], expected, atol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    truth = slice_masks(4, bars((0, 9)))

    with pytest.raises(InputError, match="image 4: predicted masks are 8 x 8"):
        average_precision([truth], {4: SliceMasks.empty(4, 8, 8)})
    with pytest.raises(InputError, match="given twice"):
        average_precision([truth, truth], {})
