"""Scoring of all models and the baseline on the same slices: `metrics.json`, a table per image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.classical.watershed import watershed_label_map
from fewshot.config.base import Metric
from fewshot.config.names import WATERSHED
from fewshot.config.watershed import WatershedSettings
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.metrics.average_precision import average_precision
from fewshot.metrics.merge_rules import TUNINGS, read_rule
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import score_label_maps
from fewshot.run.scores import ModelScores, RunScores
from fewshot.slices.images import read_image


@dataclass(frozen=True)
class ScoredModel:
    """A model to be scored: its name, its predictions' folder, and the rules chosen for it."""

    name: str
    predictions: Path
    rule: Path


def write_scores(
    truths: Mapping[str, Path],
    models: Sequence[ScoredModel],
    final: str,
    metric: Metric,
    watershed: WatershedSettings,
    target: Path,
    per_image: Path,
) -> None:
    """Score all models and the watershed on every labelled part, and write JSON and CSV.

    Args:
        truths: `validation` and, where labels are known, `test` → COCO file.
        models: those to be scored.
        final: name of the model whose score is the run's result.
        metric: what the submission was tuned for.
        watershed: the baseline's constants.
        target: path of the JSON file.
        per_image: path of the CSV file, one row per image, model and tuning.
    """
    parts = {
        part: {
            WATERSHED: ModelScores.untuned(score_watershed(truth, watershed)),
            **{model.name: _score_model(truth, model) for model in models},
        }
        for part, truth in truths.items()
    }
    part = "test" if "test" in parts else "validation"
    RunScores(part, metric, parts, final).write(target, per_image)


def _score_model(truth: Path, model: ScoredModel) -> ModelScores:
    labelled, predictions = read_coco(truth), read_coco(model.predictions / truth.name)
    rules = {metric: read_rule(model.rule, metric) for metric in TUNINGS}
    return ModelScores(
        {metric: score_predictions(labelled, predictions, rule) for metric, rule in rules.items()},
        rules,
        average_precision(
            [labelled.masks_of(record.image_id) for record in labelled.records], predictions.masks
        ),
    )


def score_predictions(truth: SliceSet, predictions: SliceSet, rule: MergeRule) -> Scores:
    """Score predictions merged by a rule against labelled slices."""
    return _score(truth, lambda record: merge_masks(predictions.masks_of(record.image_id), rule))


def score_watershed(truth: Path, settings: WatershedSettings) -> Scores:
    """Score the organisers' baseline on labelled slices."""
    slices = read_coco(truth)
    return _score(
        slices, lambda record: watershed_label_map(read_image(slices.path_of(record)), settings)
    )


def _score(slices: SliceSet, prediction: Callable[[SliceRecord], Any]) -> Scores:
    per_image = {
        record.file_name: score_label_maps(
            slices.masks_of(record.image_id).to_label_map(), prediction(record)
        )
        for record in slices.records
    }
    return Scores.of(per_image, slices.groups)
