"""Merging, submitting and scoring as functions from files to files."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from fewshot.classical.watershed import watershed_label_map
from fewshot.config.tree import MergeSettings
from fewshot.config.watershed import WatershedSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, check_images, read_coco, write_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import encode_stack
from fewshot.metrics.merge_rules import TUNINGS, calibrate, read_rule, read_validation
from fewshot.pipeline.merging import merge
from fewshot.pipeline.scores import score_predictions, score_watershed
from fewshot.pipeline.submission import submit
from fewshot.slices.images import read_image
from fewshot.slices.label_csv import read_label_csv

THRESHOLD = 0.3


def masks_of(
    image_id: int, masks: NDArray[np.bool_], scores: Iterable[float], source: str = "model"
) -> SliceMasks:
    given = np.array(list(scores), dtype=np.float32)
    boxes = np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (len(masks), 1))
    height, width = masks.shape[1:]
    rles, sources = tuple(encode_stack(masks)), (source,) * len(masks)
    return SliceMasks(image_id, height, width, given, boxes, rles, sources)


def with_distractors(slices: SliceSet) -> SliceSet:
    """Every true mask with score 0.9, and below them stripes across everything with score 0.2."""
    found = []
    for record in slices.records:
        true = slices.masks_of(record.image_id).decode()
        stripes = np.zeros((2, record.height, record.width), dtype=bool)
        stripes[0, ::2] = stripes[1, 1::2] = True
        scores = [0.9] * len(true) + [0.2, 0.2]
        found.append(masks_of(record.image_id, np.concatenate([true, stripes]), scores))
    return slices.with_masks(found)


@pytest.fixture
def files(miniature: SliceSet, tmp_path: Path) -> Path:
    """A folder with `truth.json` and `predictions.json` of the same slices."""
    write_coco(tmp_path / "truth.json", miniature, "truth")
    write_coco(tmp_path / "predictions.json", with_distractors(miniature), "predictions")
    return tmp_path


# Merging and submitting


def test_merged_masks_share_no_pixel_and_reach_the_submission(
    files: Path, miniature: SliceSet
) -> None:
    merge(files / "predictions.json", MergeRule(THRESHOLD), files / "merged.json")
    submit(files / "merged.json", files / "submission.csv")
    merged, table = read_coco(files / "merged.json"), read_label_csv(files / "submission.csv")
    assert table.names == tuple(record.file_name for record in miniature.records)
    for record in miniature.records:
        ours = merged.masks_of(record.image_id).decode()
        true = miniature.masks_of(record.image_id).decode()
        assert ours.sum(axis=0).max(initial=0) <= 1
        assert {mask.tobytes() for mask in ours} == {mask.tobytes() for mask in true}
        label_map = table.label_map(record.file_name, record.height, record.width)
        assert len(np.unique(label_map[label_map > 0])) == len(true)
        for mask in true:
            assert len(np.unique(label_map[mask])) == 1


def test_a_lower_threshold_fills_what_is_left_with_the_rest(
    files: Path, miniature: SliceSet
) -> None:
    merge(files / "predictions.json", MergeRule(0.1), files / "merged.json")
    merged = read_coco(files / "merged.json")
    for record in miniature.records:
        assert merged.masks_of(record.image_id).decode().sum(axis=0).min() == 1


# Calibration and scoring


def test_calibration_finds_the_rule_that_leaves_the_distractors_out(files: Path) -> None:
    truth, predictions, target = (files / f"{n}.json" for n in ("truth", "predictions", "rule"))
    calibrate(truth, predictions, MergeSettings(), None, target)
    rule = read_rule(target, "all")
    assert 0.2 < rule.score_threshold <= 0.9
    assert rule.background == "keep"
    assert json.loads(target.read_text())["all"]["validation"]["all_pixels"] == 1.0
    labelled, found = read_coco(truth), read_coco(predictions)
    assert score_predictions(labelled, found, rule).mean("ari_all") == 1.0
    assert score_predictions(labelled, found, MergeRule(0.1)).mean("ari_all") < 0.9


def test_calibration_keeps_what_is_given(files: Path) -> None:
    truth, predictions, target = (files / f"{n}.json" for n in ("truth", "predictions", "rule"))
    given = MergeSettings(background="nearest", min_area=3)
    calibrate(truth, predictions, given, 0.1, target)
    for metric in TUNINGS:
        assert read_rule(target, metric) == MergeRule(0.1, 3, "nearest")


def test_the_watershed_scores_as_scikit_learn_says(files: Path, miniature: SliceSet) -> None:
    summary = score_watershed(files / "truth.json", WatershedSettings())
    for record in miniature.records:
        answer = watershed_label_map(read_image(miniature.path_of(record)), WatershedSettings())
        truth = np.zeros(answer.shape, dtype=int)
        for label, mask in enumerate(miniature.masks_of(record.image_id).decode(), start=1):
            truth[mask] = label
        expected = adjusted_rand_score(truth.ravel(), answer.ravel())
        found = summary.per_image[record.file_name]["ari_all"]
        assert found == pytest.approx(expected, abs=1e-12)


def test_predictions_of_other_slices_are_no_validation(files: Path, miniature: SliceSet) -> None:
    fewer = miniature.subset([0, 1, 2])
    write_coco(files / "fewer.json", fewer, "predictions of half of them")
    small = tuple(replace(record, width=32) for record in miniature.records)
    write_coco(files / "small.json", SliceSet(miniature.images, small, {}), "of another size")
    for name, image in (("fewer", "3.png"), ("small", "0.png")):
        words = rf"{name}\.json: holds no prediction of '{image}' in .*truth\.json"
        with pytest.raises(InputError, match=words):
            read_validation(files / "truth.json", files / f"{name}.json")


@pytest.mark.parametrize(
    "content",
    [{}, [], {"all": {}}, {"all": {"rule": {"threshold": 1}}}, {"all": {"rule": None}}],
)
def test_a_damaged_rule_is_refused(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "rule.json", content)
    with pytest.raises(InputError, match=r"rule\.json: holds no merge rules for all"):
        read_rule(tmp_path / "rule.json", "all")


# Images


def test_images_must_be_there_and_of_the_size_that_the_file_says(miniature: SliceSet) -> None:
    assert check_images(miniature) is miniature
    first = miniature.records[0]
    for record, words in (
        (replace(first, file_name="moved.png"), "moved.png: no such image"),
        (replace(first, height=32), "0.png: is 64 x 64 pixels, but 32 x 64 in the COCO file"),
    ):
        with pytest.raises(InputError, match=words):
            check_images(SliceSet(miniature.images, (record,), {}))
