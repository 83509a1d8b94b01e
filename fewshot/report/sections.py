"""The parts of the report that come from the run's small JSON files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.config.base import Metric
from fewshot.config.names import CONTROL, FINAL, TWIN
from fewshot.config.tree import RunSettings
from fewshot.drawing.figures import Picture
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.masks.merge import MergeRule
from fewshot.metrics.merge_rules import TUNINGS
from fewshot.radiologists.audit import Audit
from fewshot.radiologists.review import VERDICTS, read_review
from fewshot.report.figures import threshold_figure
from fewshot.report.score_table import ScoreRow, interval_of, score_table


@dataclass(frozen=True)
class Answer:
    """The run's result: the final model's mean scores under the rule of the submission.

    The intervals are at 95 %, of draws of whole patients if `by_patient`; None where unknown.
    """

    part: str
    metric: Metric
    all_pixels: float
    foreground: float
    images: int
    precision: float
    rule: MergeRule
    all_interval: tuple[float, float] | None
    foreground_interval: tuple[float, float] | None
    by_patient: bool


@dataclass(frozen=True)
class Schedule:
    """The hyperparameters of one model, as text."""

    model: str
    learning_rate: str
    iterations: int
    threshold: str


@dataclass(frozen=True)
class Share:
    """A radiologist's validation average precision, its weight, and what it made of its share.

    The counts are None where no audit tells them.
    """

    name: str
    precision: float
    weight: float
    slices: int | None
    labelled: int | None
    masks: int | None


@dataclass(frozen=True)
class ChosenRule:
    """A merge rule, the metric it was chosen for, and the mean scores it had on validation."""

    metric: Metric
    rule: MergeRule
    all_pixels: float
    foreground: float


def read_answer(path: Path) -> tuple[Answer, dict[str, list[ScoreRow]]]:
    """Return the answer and the score tables by part from `metrics.json`, the answer's part first.

    Raises `InputError` when the file is missing or holds something else.
    """
    metrics = read_json(path)
    try:
        answer = metrics["answer"]
        others = [part for part in metrics if part not in ("answer", answer["part"])]
        tables = {part: score_table(metrics, part) for part in (answer["part"], *others)}
        return (
            Answer(
                part=answer["part"],
                metric=answer["metric"],
                all_pixels=answer["ari_all"],
                foreground=answer["ari_foreground"],
                images=answer["images"],
                precision=metrics[answer["part"]][FINAL]["average_precision"]["ap"],
                rule=MergeRule(**answer["rule"]),
                all_interval=interval_of(answer, "all"),
                foreground_interval=interval_of(answer, "foreground"),
                by_patient=answer.get("resampled_by") == "group",
            ),
            tables,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not the metrics of a run ({error}); score again") from error


def best_of(rows: Sequence[ScoreRow]) -> dict[str, float]:
    """Return the highest value of each column of a score table, rounded as it is shown."""
    columns = ("all_pixels", "foreground", "precision")
    values = {name: [getattr(row, name) for row in rows] for name in columns}
    return {
        name: max((round(value, 3) for value in column if not math.isnan(value)), default=math.nan)
        for name, column in values.items()
    }


def schedules(settings: RunSettings, rule: MergeRule) -> list[Schedule]:
    """Return the hyperparameters of radiologists and final; `rule` says what `auto` became."""
    rows = [
        Schedule(
            model.name,
            f"{model.learning_rate:g}",
            model.iterations,
            f"{model.score_threshold:g}",
        )
        for model in settings.radiologists
    ]
    final = settings.final
    chosen = f"{rule.score_threshold:g}"
    threshold = f"{chosen} (auto)" if final.score_threshold == "auto" else chosen
    return [*rows, Schedule(FINAL, f"{final.learning_rate:g}", final.iterations, threshold)]


def read_audit(path: Path) -> Audit | None:
    """Return the audit of the soft labels; None when there is none or it is empty."""
    content = read_json(path) if path.is_file() else None
    if not content:
        return None
    try:
        return Audit(**content)
    except TypeError as error:
        raise InputError(f"{path}: is no audit of soft labels; make them again") from error


def read_shares(path: Path, audit: Audit | None) -> list[Share]:
    """Return each radiologist's weight and share; empty when there is no file of weights."""
    if not path.is_file():
        return []
    content = read_json(path)
    try:
        precisions, weights = content["average_precision"], content["weights"]
        dealt: Mapping[str, Mapping[str, int]] = audit.by_radiologist if audit else {}
        return [
            Share(name, precisions[name], weight, *_counts(dealt.get(name, {})))
            for name, weight in weights.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: holds no radiologists' weights; weigh them again") from error


def read_calibration(path: Path, metric: Metric) -> tuple[list[ChosenRule], Picture | None]:
    """Return the rules chosen for both metrics, and the figure of their threshold curves.

    No rules without a file; no figure where the threshold was fixed.
    """
    if not path.is_file():
        return [], None
    content = read_json(path)
    try:
        rules = [_chosen_rule(variant, content[variant]) for variant in TUNINGS]
        curves = {
            variant: [
                (point["score_threshold"], point[_key(variant)])
                for point in content[variant]["curve"]
            ]
            for variant in TUNINGS
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no merge rules; calibrate again") from error
    if any(len(points) < 2 for points in curves.values()):
        return rules, None
    chosen = {
        rule.metric: (
            rule.rule.score_threshold,
            rule.all_pixels if rule.metric == "all" else rule.foreground,
        )
        for rule in rules
    }
    return rules, threshold_figure(curves, chosen, metric)


def read_threshold(path: Path, metric: Metric) -> float | None:
    """Return the score threshold chosen for a model and a metric; None without a file."""
    if not path.is_file():
        return None
    try:
        return float(read_json(path)[metric]["rule"]["score_threshold"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: holds no merge rules; calibrate again") from error


def read_reviewed(path: Path) -> dict[str, int]:
    """Return verdict → decisions of a person about soft labels; empty without a review."""
    if not path.is_file():
        return {}
    verdicts = [decision.verdict for decision in read_review(path).values()]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def role(name: str) -> str:
    """Return what a contender is, in a few words."""
    roles = {
        "watershed": "baseline without learning",
        FINAL: "labelled and soft-labelled slices",
        CONTROL: "as final, without soft labels",
    }
    if name.startswith(TWIN):
        return f"as {name.removeprefix(TWIN)}, without unlabelled slices"
    return roles.get(name, "radiologist")


def _chosen_rule(metric: Metric, content: Mapping[str, Any]) -> ChosenRule:
    scores = content["validation"]
    return ChosenRule(
        metric, MergeRule(**content["rule"]), scores["all_pixels"], scores["foreground"]
    )


def _key(metric: Metric) -> str:
    return "all_pixels" if metric == "all" else "foreground"


def _counts(dealt: Mapping[str, int]) -> tuple[int | None, int | None, int | None]:
    return dealt.get("slices"), dealt.get("labelled"), dealt.get("masks")
