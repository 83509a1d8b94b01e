"""Nothing at all, everywhere: each is answered or refused, and none of them is a crash."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.load import parse_settings
from fewshot.config.tree import MergeSettings
from fewshot.config.watershed import WatershedSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, read_coco, write_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.vote import Vote, vote
from fewshot.metrics.merge_rules import TUNINGS, calibrate, read_rule
from fewshot.pipeline.merging import merge
from fewshot.pipeline.run import run
from fewshot.pipeline.scores import score_predictions, score_watershed
from fewshot.pipeline.submission import submit
from fewshot.radiologists.audit import audit_soft_labels
from fewshot.radiologists.soft_label_set import SoftLabels
from fewshot.radiologists.weights import (
    assign_slices,
    read_weights,
    weigh,
    weights_from_precision,
)
from fewshot.slices.images import write_image
from fewshot.slices.label_csv import read_label_csv, write_label_csv
from fewshot.slices.split import split_slices

NOTHING = np.zeros((64, 64), dtype=np.uint8)
SOMETHING = np.array([[0, 1], [2, 0]], dtype=np.uint8).repeat(32, axis=0).repeat(32, axis=1)


@pytest.mark.parametrize(
    ("labelled", "words"),
    [
        (0, "no labelled slices"),
        (1, "1 slices cannot be split; label at least two"),
    ],
)
def test_too_few_labels_are_refused(tmp_path: Path, labelled: int, words: str) -> None:
    names = [f"{number}.png" for number in range(4)]
    for name in names:
        write_image(tmp_path / "X" / name, NOTHING)
    maps: list[NDArray[np.uint8]] = [
        SOMETHING if number < labelled else NOTHING for number in range(4)
    ]
    write_label_csv(tmp_path / "Y.csv", names, maps)
    files = {"train_images": "X", "train_labels": "Y.csv", "test_images": "X"}
    settings = parse_settings({"data": {key: tmp_path / name for key, name in files.items()}})
    with pytest.raises(InputError, match=rf"Y\.csv: .*{words}") as caught:
        run(settings, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_two_labelled_slices_are_enough() -> None:
    train, validation = split_slices(["0.png", "1.png"], None, 0.2, 0)
    assert len(train) == len(validation) == 1


@pytest.fixture
def nothing_found(miniature: SliceSet, tmp_path: Path) -> Path:
    """`truth.json`, and `predictions.json` of the same slices without a single mask."""
    write_coco(tmp_path / "truth.json", miniature, "truth")
    write_coco(tmp_path / "predictions.json", replace(miniature, masks={}), "nothing")
    return tmp_path


def test_a_model_that_finds_nothing_is_calibrated_merged_submitted_and_scored(
    nothing_found: Path,
) -> None:
    truth, predictions = nothing_found / "truth.json", nothing_found / "predictions.json"
    calibrate(truth, predictions, MergeSettings(), None, nothing_found / "rule.json")
    for metric in TUNINGS:
        rule = read_rule(nothing_found / "rule.json", metric)
        summary = score_predictions(read_coco(truth), read_coco(predictions), rule)
        # Nothing is right for the one slice without structures alone.
        assert summary.mean("ari_all") == pytest.approx(1 / 6)
    merge(predictions, MergeRule(0.5, 0, "nearest"), nothing_found / "merged.json")
    submit(nothing_found / "merged.json", nothing_found / "submission.csv")
    table = read_label_csv(nothing_found / "submission.csv")
    assert len(table.names) == 6
    assert not table.pixels.any()


def test_slices_without_any_structure_are_scored(miniature: SliceSet, tmp_path: Path) -> None:
    blank = replace(miniature, masks={})
    write_coco(tmp_path / "truth.json", blank, "all background")
    write_coco(tmp_path / "predictions.json", blank, "nothing")
    summary = score_predictions(blank, blank, MergeRule())
    assert summary.mean("ari_all") == summary.mean("ari_foreground") == 1.0
    assert score_watershed(tmp_path / "truth.json", WatershedSettings()).mean("ari_all") < 1
    calibrate(
        tmp_path / "truth.json",
        tmp_path / "predictions.json",
        MergeSettings(),
        None,
        tmp_path / "rule.json",
    )
    assert json.loads((tmp_path / "rule.json").read_text())


def test_no_unlabelled_slices_and_no_soft_labels_are_audited(miniature: SliceSet) -> None:
    for soft in (miniature.subset([]), replace(miniature, masks={})):
        ids = [record.image_id for record in soft.records]
        labels = SoftLabels(soft, replace(soft, masks={}), {"a": ids, "b": []}, {}, {"a": 0.5})
        audit = audit_soft_labels(labels, miniature)
        assert (audit.masks, audit.masks_per_slice, audit.runaway) == (0, 0.0, False)
        assert audit.empty == len(soft)


@pytest.mark.parametrize(
    ("precisions", "weights", "shares"),
    [
        # Three identical models.
        ((0.3, 0.3, 0.3), (1 / 3, 1 / 3, 1 / 3), (3, 3, 3)),
        # One with AP 0 reads nothing.
        ((0.3, 0.0, 0.3), (0.5, 0.0, 0.5), (5, 0, 4)),
        # All with AP 0: nothing tells them apart.
        ((0.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3), (3, 3, 3)),
    ],
)
def test_radiologists_that_are_equal_or_worthless(
    precisions: tuple[float, ...], weights: tuple[float, ...], shares: tuple[int, ...]
) -> None:
    found = weights_from_precision(dict(zip("abc", precisions, strict=True)))
    assert tuple(found.values()) == pytest.approx(weights)
    dealt = assign_slices(range(9), found, seed=0)
    assert tuple(len(share) for share in dealt.values()) == shares
    assert sorted(one for share in dealt.values() for one in share) == list(range(9))
    assert not any(assign_slices([], found, seed=0).values())


def test_three_identical_models_vote_as_one(miniature: SliceSet) -> None:
    for record in miniature.records:
        masks = miniature.masks_of(record.image_id)
        voted = vote([Vote(masks, 1.0)] * 3, "vote")
        assert set(map(str, voted.rles)) == set(map(str, masks.rles))


def test_weights_of_a_worthless_radiologist_come_from_its_model(tmp_path: Path) -> None:
    models = {}
    for name, precision in (("good", 0.2), ("worthless", 0.0)):
        models[name] = tmp_path / name
        described = {"kind": "mask_rcnn", "name": name, "iterations": 1, "settings": {}}
        described["validation"] = {"ap": precision}
        write_json(models[name] / "model.json", described)
    weigh(models, tmp_path / "weights.json")
    assert read_weights(tmp_path / "weights.json") == {"good": 1.0, "worthless": 0.0}


@pytest.mark.slow
def test_a_whole_run_in_which_nothing_is_unlabelled_and_nothing_is_found(tmp_path: Path) -> None:
    one = {"iterations": 1, "score_threshold": 0.999}
    settings = parse_settings(
        {
            "data": {"phantom": {"size": 64, "labelled": 4, "unlabelled": 0, "test": 2}},
            "device": "cpu",
            "detector": {"batch_size": 1, "max_masks": 3},
            "training": {"evaluation_period": 0},
            "radiologists": [{"name": name, **one} for name in ("a", "b", "c")],
            "final": one,
        }
    )
    metrics = run(settings, tmp_path / "run")
    assert not read_label_csv(tmp_path / "run" / "submission.csv").pixels.any()
    assert len(read_coco(tmp_path / "run" / "soft_labels" / "annotations.json")) == 0
    assert set(metrics["test"]["final"]) >= {"tuned_for_all", "tuned_for_foreground"}
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
