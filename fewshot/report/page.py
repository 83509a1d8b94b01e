"""The report of a run as one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fewshot.config.base import Metric
from fewshot.config.load import dump_settings
from fewshot.config.names import CONTROL, FINAL
from fewshot.config.tree import RunSettings
from fewshot.drawing.figures import Picture
from fewshot.files import write_text
from fewshot.masks.coco import read_coco
from fewshot.radiologists import review
from fewshot.radiologists.audit import Audit
from fewshot.report import sections
from fewshot.report.figures import (
    loss_figure,
    precision_figure,
    slice_score_figure,
    soft_score_figure,
)
from fewshot.report.findings import findings, rule_in_words
from fewshot.report.gallery_slices import Reader, Shown, read_shown
from fewshot.report.html import render
from fewshot.report.learning_curves import LOSSES, Curve, read_curve
from fewshot.report.overlaps import Resolution, read_resolution
from fewshot.report.paired_differences import Interval, Scores, differences_to_final, read_scores
from fewshot.report.settings_table import differing
from fewshot.report.soft_audit import masks_a_slice_picture, threshold_pictures
from fewshot.report.soft_gallery import read_soft_gallery
from fewshot.run.names import RESOLVED
from fewshot.run.stage_records import environments, read_records

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
        readers: radiologist → the folder of its predictions and its merge rules (JSON).
        train: the labelled training slices (COCO).
        validation: the validation slices (COCO).
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
    readers: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    train: Path | None = None
    validation: Path | None = None

    def predictions_of_readers(self, data: Path) -> dict[str, Path]:
        """Return radiologist → its predictions of the slices in a COCO file."""
        return {name: folder / data.name for name, (folder, _) in self.readers.items()}


def write_report(files: ReportFiles, target: Path) -> None:
    """Write the report: one HTML file without links to others; the same files give the same bytes.

    Only the metrics must be there; a section whose files are missing is left out or says so.
    Raises `InputError` naming a file that holds something else than it should.
    """
    write_text(target, render("page.html.jinja", _content(files)))


def shown_of(files: ReportFiles, answer: sections.Answer, scores: Scores) -> Shown | None:
    """Return the gallery of the slices that a run's answer is about."""
    readers = {
        name: Reader(path, sections.read_threshold(files.readers[name][1], answer.metric))
        for name, path in files.predictions_of_readers(files.truth).items()
    }
    readers[FINAL] = Reader(files.predictions / files.truth.name)
    return read_shown(files.truth, readers, answer.rule, answer.metric, scores)


def scores_of(files: ReportFiles, part: str) -> Scores:
    """Return the scores of single images of one part, where the run holds them."""
    return read_scores(files.root / _PER_IMAGE, part)


def groups_of(truth: Path) -> dict[str, str] | None:
    """Return the patient of each slice by file name; None unless all are known."""
    return read_coco(truth).groups if truth.is_file() else None


def _content(files: ReportFiles) -> dict[str, Any]:
    answer, tables = sections.read_answer(files.metrics)
    rules, threshold_picture = sections.read_calibration(files.calibration, answer.metric)
    scores = scores_of(files, answer.part)
    intervals = differences_to_final(scores, groups_of(files.truth))
    shown = shown_of(files, answer, scores)
    audit = sections.read_audit(files.audit)
    return {
        "name": files.root.resolve().name,
        "settings": files.settings,
        "answer": answer,
        "tables": tables,
        "best": {part: sections.best_of(rows) for part, rows in tables.items()},
        "findings": findings(
            tables[answer.part],
            answer.metric,
            audit.masks if audit is not None else None,
            intervals.get(CONTROL, {}).get(answer.metric),
        ),
        "differences": _in_order(intervals, [row.name for row in tables[answer.part]]),
        "rule_text": rule_in_words(answer.rule),
        "schedules": sections.schedules(files.settings, answer.rule),
        "changed": differing(RunSettings(data=files.settings.data), files.settings),
        "training": _training_pictures(files.curves),
        "shares": sections.read_shares(files.weights, audit),
        "audit": audit,
        "soft_pictures": _soft_pictures(files, audit),
        "reviewed": sections.read_reviewed(files.root / review.NAME),
        "soft_gallery": read_soft_gallery(files.soft_labels),
        "rules": rules,
        "threshold_picture": threshold_picture,
        "gallery": shown.gallery if shown and shown.scores else None,
        "gallery_picture": (
            slice_score_figure(shown.scores, answer.metric, answer.part)
            if shown and shown.scores
            else None
        ),
        "resolution": _resolution(files, answer, shown),
        **_records(files),
    }


def _in_order(
    intervals: Mapping[str, Mapping[Metric, Interval]], names: list[str]
) -> dict[str, Mapping[Metric, Interval]]:
    return {name: intervals[name] for name in names if name in intervals}


def _training_pictures(paths: Mapping[str, Path]) -> list[Picture]:
    read = {name: read_curve(path) for name, path in paths.items()}
    curves: dict[str, Curve] = {name: curve for name, curve in read.items() if curve is not None}
    pictures = []
    if any(len(curve.losses) for curve in curves.values()):
        pictures.append(loss_figure(curves))
    if any(len(curve.precisions) for curve in curves.values()):
        pictures.append(precision_figure(curves))
    parts = [part for part in LOSSES if any(part in curve.parts for curve in curves.values())]
    return [*pictures, *[loss_figure(curves, part) for part in parts]]


def _soft_pictures(files: ReportFiles, audit: Audit | None) -> list[Picture]:
    if audit is None or not audit.masks:
        return []
    by_slice = masks_a_slice_picture(files.soft_labels, files.train)
    validation = files.validation
    found = [] if by_slice is None else [by_slice]
    chosen = {
        name: float(entry["threshold"])
        for name, entry in audit.reliability.items()
        if entry.get("threshold") is not None
    }
    predictions = {} if validation is None else files.predictions_of_readers(validation)
    pictures = threshold_pictures(validation, predictions, chosen)
    return [soft_score_figure(audit.score_histogram), *found, *pictures]


def _resolution(
    files: ReportFiles, answer: sections.Answer, shown: Shown | None
) -> Resolution | None:
    if shown is None or not shown.overlaps:
        return None
    predictions = files.predictions / files.truth.name
    return read_resolution(files.truth, predictions, answer.rule, shown.overlaps)


def _records(files: ReportFiles) -> dict[str, Any]:
    records = read_records(files.root)
    path = files.root / RESOLVED
    resolved = path.read_text(encoding="utf-8") if path.is_file() else None
    return {
        "records": records,
        "environment": environments(records),
        "config": dump_settings(files.settings) if resolved is None else resolved,
    }
