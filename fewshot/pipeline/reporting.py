"""Reports of run directories: of one run, and of two side by side."""

from pathlib import Path

from fewshot.config.load import load_settings
from fewshot.errors import InputError
from fewshot.radiologists import review
from fewshot.report.compare import write_comparison
from fewshot.report.page import ReportFiles, write_report
from fewshot.run.layout import RunLayout
from fewshot.run.names import FINAL, REPORT, RESOLVED


def report_files(layout: RunLayout) -> ReportFiles:
    """Return what the report of a run is made from."""
    return ReportFiles(
        root=layout.root,
        settings=layout.settings,
        metrics=layout.metrics,
        weights=layout.weights,
        audit=layout.audit,
        curves={name: layout.curves(name) for name in layout.models},
        calibration=layout.rule(FINAL),
        truth=layout.labelled_parts[-1],
        predictions=layout.answers(FINAL),
        soft_labels=layout.soft_labels,
        readers={name: (layout.answers(name), layout.rule(name)) for name in layout.radiologists},
        train=layout.train,
        validation=layout.validation,
    )


def inputs_of(files: ReportFiles) -> list[Path]:
    """Return the files that a report hangs on, whether they are there or not."""
    parts = {files.truth.name: files.truth}
    if files.validation is not None:
        parts.setdefault(files.validation.name, files.validation)
    return [
        files.metrics,
        files.weights,
        files.audit,
        files.calibration,
        *parts.values(),
        files.predictions / files.truth.name,
        files.soft_labels,
        files.root / "score" / "per_image.csv",
        files.root / review.NAME,
        *([] if files.train is None else [files.train]),
        *[path for data in parts.values() for path in files.predictions_of_readers(data).values()],
        *[rule for _, rule in files.readers.values()],
        *files.curves.values(),
    ]


def read_run(root: Path) -> ReportFiles:
    """Return what there is of a run; `InputError` when the directory holds none with scores."""
    if not (root / RESOLVED).is_file():
        raise InputError(f"{root}: is not a run directory (no {RESOLVED})")
    files = report_files(RunLayout(load_settings(root / RESOLVED), root))
    if not files.metrics.is_file():
        raise InputError(
            f"{root}: the run has no scores yet (no {files.metrics.name}); "
            "go on with fewshot run --resume"
        )
    return files


def report_run(root: Path, target: Path | None = None) -> Path:
    """Write the report of a run, `report.html` in its directory unless told otherwise."""
    chosen = target or root / REPORT
    write_report(read_run(root), chosen)
    return chosen


def report_two(first: Path, second: Path, target: Path | None = None) -> Path:
    """Write the comparison of two runs, into the second one's directory unless told otherwise."""
    if first.resolve() == second.resolve():
        raise InputError(f"{first}: is given twice; give two runs")
    one, two = read_run(first), read_run(second)
    chosen = target or second / f"compared-with-{first.resolve().name}.html"
    write_comparison(one, two, chosen)
    return chosen
