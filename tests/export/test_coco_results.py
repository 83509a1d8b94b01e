"""pycocotools reads and scores the results."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fewshot.export.forms import write_coco_results
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack
from fewshot.metrics.average_precision import average_precision


def shifted(masks: SliceMasks) -> SliceMasks:
    """Predictions: the labels moved by a pixel, less and less certain."""
    rles = tuple(encode_stack(np.roll(masks.decode(), 1, axis=2)))
    scores = np.linspace(0.95, 0.35, len(rles)).astype(np.float32)
    return SliceMasks(
        masks.image_id, masks.height, masks.width, scores, boxes(rles), rles, ("m",) * len(rles)
    )


@pytest.fixture
def predictions(miniature: SliceSet) -> SliceSet:
    records = miniature.records[:5]  # the last one is without masks
    return miniature.with_masks(shifted(miniature.masks_of(one.image_id)) for one in records)


# pycocotools 2.0.11 under NumPy 2, when it decodes.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_loads_the_results_and_scores_them(
    miniature: SliceSet, predictions: SliceSet, tmp_path: Path
) -> None:
    write_coco(tmp_path / "truth.json", miniature, "truth")
    count = write_coco_results(tmp_path / "results.json", predictions, 0.0)
    truth = COCO(str(tmp_path / "truth.json"))
    results = truth.loadRes(str(tmp_path / "results.json"))
    assert len(results.anns) == count == sum(len(one) for one in predictions.masks.values())
    for masks in predictions.masks.values():
        loaded = results.imgToAnns[masks.image_id]
        found = np.array([results.annToMask(entry) for entry in loaded], dtype=bool)
        np.testing.assert_array_equal(found, masks.decode())
    evaluation = COCOeval(truth, results, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ours = average_precision(miniature.masks.values(), predictions.masks)
    assert 0.1 < ours.ap < 0.9
    np.testing.assert_allclose(evaluation.stats[:3], [ours.ap, ours.ap50, ours.ap75], atol=1e-9)


def test_entries_have_the_keys_of_coco_results(predictions: SliceSet, tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    count = write_coco_results(target, predictions, 0.5)
    entries = json.loads(target.read_text())
    assert len(entries) == count == sum((m.scores >= 0.5).sum() for m in predictions.masks.values())
    keys = {"image_id", "category_id", "segmentation", "score", "bbox"}
    assert {frozenset(entry) for entry in entries} == {frozenset(keys)}
    first, masks = entries[0], predictions.masks[0]
    x0, y0, x1, y1 = masks.boxes[0].tolist()
    assert first["bbox"] == [x0, y0, x1 - x0, y1 - y0]
    assert (first["score"], first["segmentation"]) == (0.95, masks.rles[0])


def test_without_masks_the_list_is_empty(predictions: SliceSet, tmp_path: Path) -> None:
    assert write_coco_results(tmp_path / "none.json", predictions, 1.0) == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []
