"""The report of a run as one self-contained HTML file."""

from pathlib import Path

from fewshot.files import write_text
from fewshot.report.html import render_page
from fewshot.report.results import RunResults, read_results
from fewshot.report.sections import SECTIONS
from fewshot.run.layout import RunLayout
from fewshot.run.stage_records import read_records


def report_run(root: Path, target: Path | None = None) -> Path:
    """Write the report of a run directory, by default to `report.html` in it.

    Raises `InputError` when there are no scores, or a file has unexpected content.
    """
    results = read_results(root)
    chosen = target or results.layout.report
    _write(results, chosen)
    return chosen


def write_report(layout: RunLayout, target: Path) -> None:
    """Write the report: one HTML file without links to others; the same files give the same bytes.

    Only the metrics must be there; a section whose files are missing is left out or says so.
    Raises `InputError` naming a file with unexpected content.
    """
    _write(RunResults(layout), target)


def report_inputs(layout: RunLayout) -> list[Path]:
    """Return the files that a report is made from, whether they exist or not."""
    common = [layout.metrics, layout.per_image, layout.labelled_parts[-1], layout.audit]
    return list(dict.fromkeys([*common, *(path for one in SECTIONS for path in one.reads(layout))]))


def _write(results: RunResults, target: Path) -> None:
    title = f"Run {results.layout.root.resolve().name}"
    write_text(target, render_page(title, _facts(results), SECTIONS, results))


def _facts(results: RunResults) -> str:
    """Return the run in a line."""
    settings, scores, audit = results.settings, results.scores, results.audit
    records = read_records(results.layout.root)
    facts = [
        *([records[-1].started.date().isoformat()] if records else []),
        getattr(settings.detector, "architecture", settings.detector.kind),
        f"{len(settings.radiologists)} radiologists",
        *([f"{audit.slices} unlabelled slices"] if audit else []),
        f"scored on {scores.answer.images} {scores.part} slices",
        f"seed {settings.seed}",
    ]
    return " · ".join(facts)
