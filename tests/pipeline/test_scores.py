"""`metrics.json` and the table per image, held against scikit-learn."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from fewshot.classical.watershed import watershed_label_map
from fewshot.config.watershed import WatershedSettings
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.masks.merge import fill_nearest
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.slice_metrics import METRICS
from fewshot.pipeline.scores import ScoredModel, write_scores
from fewshot.slices.images import read_image

KEEP = {"score_threshold": 0.5, "min_area": 0, "background": "keep"}
RULES = {
    "all": {"rule": KEEP},
    "foreground": {"rule": {**KEEP, "background": "nearest"}},
}
LabelMap = NDArray[Any]


def true_map(slices: SliceSet, image_id: int) -> LabelMap:
    """Labels do not overlap, so any order paints the same map."""
    masks = slices.masks_of(image_id)
    label_map: LabelMap = np.zeros((masks.height, masks.width), dtype=np.uint8)
    for label, mask in enumerate(masks.decode(), start=1):
        label_map[mask] = label
    return label_map


def half_of_the_masks(slices: SliceSet) -> SliceSet:
    """A model that finds every other mask."""
    found = []
    for record in slices.records:
        masks = slices.masks_of(record.image_id)
        kept = masks.select(np.arange(0, len(masks), 2))
        ids = (record.image_id, record.height, record.width)
        sources = ("half",) * len(kept)
        found.append(SliceMasks(*ids, kept.scores, kept.boxes, kept.rles, sources))
    return slices.with_masks(found)


@pytest.fixture
def scored(miniature: SliceSet, tmp_path: Path) -> Path:
    """Two models, of which `all` finds everything, scored on validation and test slices."""
    ids = [record.image_id for record in miniature.records]
    truths = {"validation": miniature.subset(ids[:2]), "test": miniature.subset(ids[2:])}
    for part, slices in truths.items():
        write_coco(tmp_path / f"{part}.json", slices, "truth")
        write_coco(tmp_path / "all" / f"{part}.json", slices, "everything")
        write_coco(tmp_path / "half" / f"{part}.json", half_of_the_masks(slices), "half of it")
    write_json(tmp_path / "rule.json", RULES)
    return tmp_path


def scored_model(folder: Path, name: str) -> ScoredModel:
    return ScoredModel(name, folder / name, folder / "rule.json")


def scores_of(folder: Path, *parts: str, final: str = "half") -> dict[str, Any]:
    write_scores(
        truths={part: folder / f"{part}.json" for part in parts},
        models=[scored_model(folder, "all"), scored_model(folder, "half")],
        final=final,
        metric="foreground",
        watershed=WatershedSettings(),
        target=folder / "metrics.json",
        per_image=folder / "per_image.csv",
    )
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def mean_scores(
    truth: Mapping[str, LabelMap], answer: Mapping[str, LabelMap]
) -> tuple[float, float]:
    """Return scikit-learn's mean adjusted Rand index, over foreground and over all pixels.

    On a slice without labels the foreground has no pixels, and the score is 1.
    """
    inside = {name: label_map > 0 for name, label_map in truth.items()}
    foreground = [
        adjusted_rand_score(truth[name][where], answer[name][where]) if where.any() else 1.0
        for name, where in inside.items()
    ]
    everything = [adjusted_rand_score(truth[name].ravel(), answer[name].ravel()) for name in truth]
    return float(np.mean(foreground)), float(np.mean(everything))


def test_scores_are_those_of_scikit_learn(scored: Path, miniature: SliceSet) -> None:
    metrics = scores_of(scored, "validation", "test")
    half = half_of_the_masks(miniature)
    for part, records in (("validation", miniature.records[:2]), ("test", miniature.records[2:])):
        truth = {r.file_name: true_map(miniature, r.image_id) for r in records}
        kept = {r.file_name: true_map(half, r.image_id) for r in records}
        filled = {name: fill_nearest(label_map) for name, label_map in kept.items()}
        baseline = {
            r.file_name: watershed_label_map(read_image(miniature.path_of(r)), WatershedSettings())
            for r in records
        }
        scores = metrics[part]
        for answer, found in (
            (kept, scores["half"]["tuned_for_all"]),
            (filled, scores["half"]["tuned_for_foreground"]),
            (baseline, scores["watershed"]),
        ):
            expected = mean_scores(truth, answer)
            assert (found["ari_foreground"], found["ari_all"]) == pytest.approx(expected, abs=1e-12)
            assert found["images"] == len(records)
            assert found["resampled_by"] == "image"
            low, high = found["ari_all_interval"]
            assert low <= found["ari_all"] <= high
        assert scores["half"]["tuned_for_foreground"]["rule"] == RULES["foreground"]["rule"]


def test_whoever_finds_everything_scores_one(scored: Path) -> None:
    scores = scores_of(scored, "validation", "test")["validation"]["all"]
    assert scores["tuned_for_all"]["ari_all"] == 1.0
    assert scores["tuned_for_foreground"]["ari_foreground"] == 1.0
    precision = {"ap": 1.0, "ap50": 1.0, "ap75": 1.0}
    assert scores["average_precision"] == pytest.approx(precision)


@pytest.mark.parametrize(
    ("parts", "part"),
    [(["validation", "test"], "test"), (["validation"], "validation")],
)
def test_the_answer_is_the_final_model_on_test_slices_if_their_labels_are_known(
    scored: Path, parts: list[str], part: str
) -> None:
    metrics = scores_of(scored, *parts)
    final = metrics[part]["half"]["tuned_for_foreground"]
    assert metrics["answer"] == {"part": part, "metric": "foreground", **final}
    assert set(metrics) == {"answer", *parts}


def test_the_table_has_a_row_for_each_image_and_its_means_are_the_scores(scored: Path) -> None:
    metrics = scores_of(scored, "validation", "test")
    with (scored / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # The watershed is not tuned, the two models are tuned for either metric.
    assert len(rows) == 6 * (1 + 2 * 2)
    for part in ("validation", "test"):
        for model, tuned_for in (("watershed", ""), ("half", "all"), ("all", "foreground")):
            key = (part, model, tuned_for)
            chosen = [row for row in rows if (row["part"], row["model"], row["tuned_for"]) == key]
            summary = metrics[part][model]
            summary = summary[f"tuned_for_{tuned_for}"] if tuned_for else summary
            assert len({row["image"] for row in chosen}) == len(chosen) == summary["images"]
            for column in METRICS:
                mean = np.mean([float(row[column]) for row in chosen])
                assert summary[column] == pytest.approx(mean, abs=1e-12)
