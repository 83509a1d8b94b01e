"""The report of a run as one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fewshot.config.load import dump_settings
from fewshot.config.tree import RunSettings
from fewshot.files import write_text
from fewshot.report import sections
from fewshot.report.drawing import Picture
from fewshot.report.exhibits import read_gallery, read_soft_exhibits
from fewshot.report.figures import (
    loss_figure,
    precision_figure,
    slice_score_figure,
    soft_score_figure,
)
from fewshot.report.learning_curves import Curve, read_curve
from fewshot.report.numbers import decimals, duration, fraction
from fewshot.report.paired import control_interval
from fewshot.report.records import environments, read_records
from fewshot.report.verdict import METRIC_WORDS, findings, rule_in_words

TEMPLATE = "page.html.jinja"
_RESOLVED = "config.resolved.yaml"
_PER_IMAGE = "score/per_image.csv"


@dataclass(frozen=True)
class ReportFiles:
    """What a report is made from.

    Attributes:
        root: the run directory; `config.resolved.yaml`, the records of the stages and
            `score/per_image.csv` are read from it where they are there.
        settings: of the run.
        metrics: the scores of all contenders (JSON).
        weights: the radiologists' weights (JSON).
        audit: the audit of the soft labels (JSON).
        curves: model → its learning curves (JSON lines), in the order in which they are shown.
        calibration: the merge rules chosen for the final model (JSON).
        truth: the labelled slices that the answer is about (COCO).
        predictions: the folder of the final model's predictions, each named like its slices' file.
        soft_labels: the soft labels (COCO).
    """

    root: Path
    settings: RunSettings
    metrics: Path
    weights: Path
    audit: Path
    curves: dict[str, Path]
    calibration: Path
    truth: Path
    predictions: Path
    soft_labels: Path


def write_report(files: ReportFiles, target: Path) -> None:
    """Write the report: one HTML file without links to others; the same files give the same bytes.

    Only the metrics must be there; a section whose files are missing is left out or says so.
    Raises `InputError` naming a file that holds something else than it should.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = decimals
    environment.filters["fraction"] = fraction
    environment.filters["duration"] = duration
    environment.globals["role"] = sections.role
    page = environment.get_template(TEMPLATE).render(_content(files))
    write_text(target, page)


def _content(files: ReportFiles) -> dict[str, Any]:
    answer, tables = sections.read_answer(files.metrics)
    audit = sections.read_audit(files.audit)
    rules, threshold_picture = sections.read_calibration(files.calibration, answer.metric)
    gallery = read_gallery(
        files.truth, files.predictions / files.truth.name, answer.rule, answer.metric
    )
    records = read_records(files.root)
    return {
        "name": files.root.resolve().name,
        "settings": files.settings,
        "answer": answer,
        "metric_words": METRIC_WORDS,
        "tables": tables,
        "best": {part: sections.best_of(rows) for part, rows in tables.items()},
        "findings": findings(
            tables[answer.part],
            answer.metric,
            audit.masks if audit is not None else None,
            control_interval(files.root / _PER_IMAGE, answer.part, answer.metric),
        ),
        "rule_text": rule_in_words(answer.rule),
        "schedules": sections.schedules(files.settings, answer.rule),
        "training": _training_pictures(files.curves),
        "shares": sections.read_shares(files.weights, audit),
        "audit": audit,
        "soft_picture": soft_score_figure(audit.score_histogram) if audit and audit.masks else None,
        "soft_exhibits": read_soft_exhibits(files.soft_labels),
        "rules": rules,
        "threshold_picture": threshold_picture,
        "gallery": gallery,
        "gallery_picture": (
            slice_score_figure(gallery.scores, answer.metric, answer.part)
            if gallery and gallery.scores
            else None
        ),
        "records": records,
        "environment": environments(records),
        "config": _config(files),
    }


def _training_pictures(paths: Mapping[str, Path]) -> list[Picture]:
    read = {name: read_curve(path) for name, path in paths.items()}
    curves: dict[str, Curve] = {name: curve for name, curve in read.items() if curve is not None}
    pictures = []
    if any(len(curve.losses) for curve in curves.values()):
        pictures.append(loss_figure(curves))
    if any(len(curve.precisions) for curve in curves.values()):
        pictures.append(precision_figure(curves))
    return pictures


def _config(files: ReportFiles) -> str:
    path = files.root / _RESOLVED
    return path.read_text(encoding="utf-8") if path.is_file() else dump_settings(files.settings)
