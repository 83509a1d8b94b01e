"""The scores of a run: every model on every labelled part, as `metrics.json` and a table."""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from fewshot.config.base import Metric
from fewshot.config.names import FINAL
from fewshot.errors import InputError
from fewshot.files import read_json, write_json, write_text
from fewshot.masks.merge import MergeRule
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.metrics.bootstrap import MeanInterval
from fewshot.metrics.merge_rules import TUNINGS
from fewshot.metrics.scores import Scores, as_csv
from fewshot.metrics.slice_metrics import METRICS, Measure, SliceMetric

MASK_AP50 = Measure("mask_ap50", "Mask AP50", "average precision of masks by score at IoU 0.50")
MASK_AP = Measure("mask_ap", "Mask AP", "average precision of masks by score at IoU 0.50:0.95")
_ROW_KEYS = ("part", "model", "tuned_for", "image")


@dataclass(frozen=True)
class ModelScores:
    """What one model scores on one part of the data.

    Attributes:
        tuned_for: variant of the Rand index → the scores under the merge rule chosen for it; the
            same scores twice for the watershed, which has nothing to tune.
        rules: variant → that rule; empty if there is nothing to tune.
        average_precision: of the masks before merging; None if they have no scores.
    """

    tuned_for: dict[Metric, Scores]
    rules: dict[Metric, MergeRule]
    average_precision: AveragePrecision | None = None

    @classmethod
    def untuned(cls, scores: Scores) -> Self:
        """Return the scores of a model without a merge rule."""
        return cls(dict.fromkeys(TUNINGS, scores), {})

    def value(self, measure: Measure, metric: Metric) -> MeanInterval | None:
        """Return a measure of this model, or None.

        Both variants of the Rand index are taken under their own rules, all else under the rule for
        `metric`, which the submission is tuned for.
        """
        if isinstance(measure, SliceMetric):
            return self.tuned_for[measure.tuned_for or metric].means.get(measure.name)
        if self.average_precision is None:
            return None
        found = self.average_precision
        return MeanInterval(found.ap50 if measure is MASK_AP50 else found.ap, None)

    def by_tuning(self) -> dict[str, Scores]:
        """Return the scores by the variant tuned for; "" if nothing is tuned."""
        if not self.rules:
            return {"": self.tuned_for["all"]}
        return {str(metric): scores for metric, scores in self.tuned_for.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        if not self.rules:
            return self.tuned_for["all"].as_json()
        precision = self.average_precision
        return {
            "average_precision": None if precision is None else asdict(precision),
            **{
                f"tuned_for_{metric}": {**scores.as_json(), "rule": asdict(self.rules[metric])}
                for metric, scores in self.tuned_for.items()
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the scores from `as_json`."""
        if "images" in content:
            return cls.untuned(Scores.from_json(content))
        tuned = {metric: content[f"tuned_for_{metric}"] for metric in TUNINGS}
        precision = content["average_precision"]
        return cls(
            {metric: Scores.from_json(scores) for metric, scores in tuned.items()},
            {metric: MergeRule(**scores["rule"]) for metric, scores in tuned.items()},
            None if precision is None else AveragePrecision(**precision),
        )


@dataclass(frozen=True)
class RunScores:
    """All scores of a run.

    Attributes:
        part: the slices it is scored on: `test`, or `validation` without test labels.
        metric: that the submission is tuned for.
        parts: part → model → scores, the baseline first.
        final: the model of the submission.
    """

    part: str
    metric: Metric
    parts: dict[str, dict[str, ModelScores]]
    final: str = FINAL

    @property
    def models(self) -> dict[str, ModelScores]:
        """Every model's scores on the part that the run is scored on."""
        return self.parts[self.part]

    @property
    def answer(self) -> Scores:
        """The run's result: the scores of the final model under the rule of the submission."""
        return self.models[self.final].tuned_for[self.metric]

    @property
    def rule(self) -> MergeRule:
        """The merge rule of the submission."""
        return self.models[self.final].rules[self.metric]

    def as_json(self) -> dict[str, Any]:
        """Return the content of `metrics.json`."""
        answer = {**self.answer.as_json(), "rule": asdict(self.rule)}
        return {
            "answer": {"part": self.part, "metric": self.metric, **answer},
            **{
                part: {name: scores.as_json() for name, scores in models.items()}
                for part, models in self.parts.items()
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the scores from `as_json`, the scored part first."""
        answer = content["answer"]
        others = [part for part in content if part not in ("answer", answer["part"])]
        parts = {
            part: {name: ModelScores.from_json(one) for name, one in content[part].items()}
            for part in (answer["part"], *others)
        }
        scores = cls(answer["part"], answer["metric"], parts)
        _ = scores.answer, scores.rule
        return scores

    def table(self) -> list[str]:
        """Return the scores of all models as lines of text for a terminal."""
        shown = columns()
        upper, lower = zip(*(_two_lines(one.heading) for one in shown), strict=True)
        widths = [max(5, *map(len, pair)) for pair in zip(upper, lower, strict=True)]
        lines = [("", [*upper]), ("", [*lower])]
        for name, scores in self.models.items():
            values = [scores.value(one, self.metric) for one in shown]
            pairs = zip(shown, values, strict=True)
            lines.append((name, ["" if two is None else one.text(two.mean) for one, two in pairs]))
        return [
            f"mean over {self.answer.images} {self.part} slices; each adjusted Rand index (ARI) "
            "under the merge rule",
            f"tuned for it on validation, the rest under the one tuned for {self.metric}:",
            *[
                "  ".join([f"  {name:12s}", *map(str.rjust, cells, widths)]).rstrip()
                for name, cells in lines
            ],
        ]

    def write(self, metrics: Path, per_image: Path) -> None:
        """Write `metrics.json`, and a CSV with a row per image, model and tuning."""
        rows = []
        for part, models in self.parts.items():
            for model, scores in models.items():
                for tuning, found in scores.by_tuning().items():
                    keys = {"part": part, "model": model, "tuned_for": tuning}
                    images = found.per_image.items()
                    rows += [{**keys, "image": image, **one} for image, one in images]
        write_json(metrics, self.as_json())
        write_text(per_image, as_csv(rows))


def _two_lines(heading: str) -> tuple[str, str]:
    first, _, rest = heading.partition(" ")
    return (first.rstrip(","), rest) if rest else ("", first)


def columns() -> list[Measure]:
    """Return the measures that have a column in the tables of models."""
    return [*(one for one in METRICS.values() if one.has_column), MASK_AP50, MASK_AP]


def read_run_scores(metrics: Path, per_image: Path | None = None) -> RunScores:
    """Return the scores of a run from `metrics.json`, and from its table if there is one.

    Raises `InputError` when the first is missing, or either contains something else.
    """
    content = read_json(metrics)
    try:
        scores = RunScores.from_json(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        words = f"{metrics}: is not the metrics of a run ({error}); score again"
        raise InputError(words) from error
    if per_image is None or not per_image.is_file():
        return scores
    try:
        table = _read_table(per_image)
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{per_image}: is no table of scores by image; score again") from error
    return replace(
        scores,
        parts={
            part: {name: _with_images(one, table, part, name) for name, one in models.items()}
            for part, models in scores.parts.items()
        },
    )


_Table = dict[tuple[str, str, str], dict[str, dict[str, float]]]


def _read_table(path: Path) -> _Table:
    """Return (part, model, tuning) → image → metric → value."""
    table: _Table = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            part, model, tuning, image = (row.pop(key) for key in _ROW_KEYS)
            values = {name: float(row[name]) for name in METRICS if name in row}
            if not values:
                raise ValueError("no metric")
            table.setdefault((part, model, tuning), {})[image] = values
    return table


def _with_images(scores: ModelScores, table: _Table, part: str, name: str) -> ModelScores:
    found = {
        metric: replace(one, per_image=table.get((part, name, metric if scores.rules else ""), {}))
        for metric, one in scores.tuned_for.items()
    }
    return replace(scores, tuned_for=found)
