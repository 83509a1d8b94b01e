"""Scoring every model and the baseline on the same slices: `metrics.json` and a table per image."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.classical.watershed import WatershedSettings, watershed_label_map
from fewshot.config.base import Metric
from fewshot.files import write_json, write_text
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, label_map_of, merge_masks
from fewshot.metrics.average_precision import average_precision
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.metrics.merge_rules import TUNINGS, read_rule
from fewshot.metrics.rand import RandScore, RandSummary, score_slice, summarise
from fewshot.run.names import WATERSHED
from fewshot.slices.images import read_image


@dataclass(frozen=True)
class ScoredModel:
    """A model to be scored: its name, its predictions' folder, and the rules chosen for it."""

    name: str
    predictions: Path
    rule: Path


def write_scores(
    truths: Mapping[str, Path],
    contenders: Sequence[ScoredModel],
    final: str,
    metric: Metric,
    watershed: WatershedSettings,
    target: Path,
    per_image: Path,
) -> None:
    """Score all contenders and the watershed on every labelled part; write JSON and CSV.

    Args:
        truths: `validation` and, where labels are known, `test` → COCO file.
        contenders: the models.
        final: the name of the model whose score is the run's answer.
        metric: what the submission was tuned for.
        watershed: the baseline's constants.
        target: of the JSON file.
        per_image: of the CSV file, one row an image, model and tuning.
    """
    rows: list[dict[str, Any]] = []
    parts: dict[str, dict[str, Any]] = {}
    for part, truth in truths.items():
        groups = read_coco(truth).groups
        baseline = score_watershed(truth, watershed)
        parts[part] = {WATERSHED: _summary(baseline, groups)}
        rows += _rows(part, WATERSHED, "", baseline)
        for contender in contenders:
            predictions = contender.predictions / truth.name
            scores: dict[str, Any] = {"average_precision": _precision(truth, predictions)}
            for tuned_for in TUNINGS:
                rule = read_rule(contender.rule, tuned_for)
                result = score_predictions(truth, predictions, rule)
                scores[f"tuned_for_{tuned_for}"] = {
                    **_summary(result, groups),
                    "rule": asdict(rule),
                }
                rows += _rows(part, contender.name, tuned_for, result)
            parts[part][contender.name] = scores
    answer_part = "test" if "test" in parts else "validation"
    answer = parts[answer_part][final][f"tuned_for_{metric}"]
    write_json(target, {"answer": {"part": answer_part, "metric": metric, **answer}, **parts})
    write_text(per_image, as_csv(rows))


def _precision(truth: Path, predictions: Path) -> dict[str, float]:
    labelled = read_coco(truth)
    masks = [labelled.masks_of(record.image_id) for record in labelled.records]
    return asdict(average_precision(masks, read_coco(predictions).masks))


def _summary(result: RandSummary, groups: Mapping[str, str] | None) -> dict[str, Any]:
    """Return both means with their 95 % intervals, resampled by group where those are known."""
    scores = result.per_image
    values = np.array([(score.foreground, score.all_pixels) for score in scores.values()])
    foreground, everywhere = bootstrap_means(
        values, None if groups is None else [groups[name] for name in scores]
    )
    return {
        "ari_foreground": result.foreground,
        "ari_foreground_interval": foreground.interval,
        "ari_all": result.all_pixels,
        "ari_all_interval": everywhere.interval,
        "resampled_by": "image" if groups is None else "group",
        "images": len(scores),
    }


def _rows(part: str, model: str, tuned_for: str, result: RandSummary) -> list[dict[str, Any]]:
    return [
        {
            "part": part,
            "model": model,
            "tuned_for": tuned_for,
            "image": name,
            "ari_foreground": score.foreground,
            "ari_all": score.all_pixels,
        }
        for name, score in result.per_image.items()
    ]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows that have the same keys as the text of a CSV file, keys first."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def score_predictions(truth: Path, predictions: Path, rule: MergeRule) -> RandSummary:
    """Score predictions merged by a rule against labelled slices."""
    masks = read_coco(predictions)

    def prediction(record: SliceRecord) -> NDArray[np.uint8]:
        return merge_masks(masks.masks_of(record.image_id), rule)

    return _score(read_coco(truth), prediction)


def score_watershed(truth: Path, settings: WatershedSettings) -> RandSummary:
    """Score the organisers' baseline on labelled slices."""
    slices = read_coco(truth)

    def prediction(record: SliceRecord) -> NDArray[np.int32]:
        return watershed_label_map(read_image(slices.path_of(record)), settings)

    return _score(slices, prediction)


def _score(slices: SliceSet, prediction: Any) -> RandSummary:
    scores: dict[str, RandScore] = {
        record.file_name: score_slice(
            label_map_of(slices.masks_of(record.image_id)), prediction(record)
        )
        for record in slices.records
    }
    return summarise(scores)
