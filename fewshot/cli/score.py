"""`fewshot score`, `fewshot agree` and `fewshot validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli.options import Json, print_json, print_line
from fewshot.errors import InputError

if TYPE_CHECKING:
    from fewshot.submission.scoring import ScoreReport

Groups = Annotated[
    Path | None,
    typer.Option(help="CSV of image and patient, to resample intervals by patient."),
]
Table = Annotated[
    Path | None, typer.Option(help="Write the scores of each image to this file (.csv or .json).")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads; by default one per processor.")]


def score(
    truth: Annotated[Path, typer.Option(help="Label CSV with the true labels.")],
    submission: Annotated[Path, typer.Option(help="Submission CSV.")],
    groups: Groups = None,
    table: Table = None,
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Score a submission by adjusted Rand index and by regions, with 95 % intervals."""
    from fewshot.submission.scoring import score_submission, write_score_table

    report = score_submission(truth, submission, groups, workers)
    if table is not None:
        write_score_table(table, report)
    if json_:
        print_json(_as_json(report))
        return
    _print_means(report)
    _print_empty(report)


def agree(
    a: Annotated[Path, typer.Option(help="Label CSV of one annotator, or of a model.")],
    b: Annotated[Path, typer.Option(help="Label CSV of the other.")],
    groups: Groups = None,
    count_empty: Annotated[
        bool, typer.Option("--count-empty", help="All-zero columns are labelled as empty.")
    ] = False,
    table: Table = None,
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Measure how two annotators agree on the images both labelled (Cohen's kappa and more)."""
    from fewshot.submission.scoring import compare_annotators, write_score_table

    agreement = compare_annotators(a, b, groups, count_empty=count_empty, workers=workers)
    report = agreement.report
    if table is not None:
        write_score_table(table, report)
    if json_:
        only = {"only_a": agreement.only_a, "only_b": agreement.only_b}
        print_json({**_as_json(report), **only})
        return
    _print_means(report, annotators=True)
    for file, names in ((a, agreement.only_a), (b, agreement.only_b)):
        if names:
            print_line(f"left out: {len(names)} images labelled only in {file}")


def _as_json(report: "ScoreReport") -> dict[str, Any]:
    from fewshot.metrics.bootstrap import LEVEL, RESAMPLES
    from fewshot.metrics.slice_metrics import empty_slice_scores

    rows, means = report.rows(), report.scores.means
    groups = None if report.group_of is None else len(set(report.group_of.values()))
    return {
        **{name: mean.mean for name, mean in means.items()},
        "images": len(rows),
        "intervals": {name: mean.interval for name, mean in means.items()},
        "bootstrap": {
            "level": LEVEL,
            "resamples": RESAMPLES,
            "resampled_by": "image" if groups is None else "group",
            "groups": groups,
        },
        "empty_slices": {"images": report.empty(), "scores": empty_slice_scores()},
        "per_image": {row.pop("image"): row for row in rows},
    }


def _print_means(report: "ScoreReport", *, annotators: bool = False) -> None:
    """Print the mean of each metric; for two annotators only of those that need no truth."""
    from fewshot.metrics.slice_metrics import METRICS

    if report.group_of is None:
        how = "resampled by image; too narrow where a patient has several: give --groups"
    else:
        how = f"resampled by group, of which there are {len(set(report.group_of.values()))}"
    print(f"mean of {report.scores.images} images, with 95 % bootstrap interval ({how})")
    for name, metric in METRICS.items():
        if annotators and metric.needs_truth:
            continue
        mean = report.scores.means[name]
        shown = "" if mean.interval is None else "  [{:.4f}, {:.4f}]".format(*mean.interval)
        print(f"  {metric.meaning:54s}{mean.mean:.4f}{shown}")


def _print_empty(report: "ScoreReport") -> None:
    from fewshot.metrics.slice_metrics import empty_slice_scores

    scores = empty_slice_scores()
    nothing, region = scores["nothing_predicted"], scores["region_predicted"]
    print_line(
        f"{len(report.empty())} of {report.scores.images} images have no true region. Such a slice"
        f" scores {nothing['ari_all']:g} everywhere when nothing is predicted on it;"
        f" with a region predicted on part of it, {region['ari_foreground']:g} on the foreground"
        f" and {region['ari_all']:g} on all else."
    )


def validate(
    file: Annotated[Path, typer.Argument(help="A COCO .json, or a label or submission .csv[.gz].")],
    images: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Label CSV of the same or similar images, to detect transposed masks."),
    ] = None,
    json_: Json = False,
) -> None:
    """Check a COCO file, a label CSV or a submission; report what is wrong and where."""
    from fewshot.submission.validate import Findings, validate_submission

    if not file.name.endswith((".json", ".csv", ".csv.gz")):
        raise InputError(f"{file}: neither .json nor .csv nor .csv.gz")
    if file.suffix == ".json":
        errors, warnings, found = _validate_coco(file, images)
        findings = Findings(errors, warnings)
    else:
        findings, found = validate_submission(file, images, reference), "label table"
    if json_:
        answer = {"valid": not findings.errors, "findings": findings.errors}
        print_json({"file": str(file), **answer, "warnings": findings.warnings})
    else:
        for error in findings.errors:
            print_line(error)
        for warning in findings.warnings:
            print_line(f"warning: {warning}")
        if not findings.errors:
            print_line(f"{file}: fine ({found})")
    if findings.errors:
        raise typer.Exit(2)


def _validate_coco(file: Path, images: Path | None) -> tuple[list[str], list[str], str]:
    """Return errors, warnings and what the file is.

    If the file neither names the folder of its images nor lies next to them, only it is checked.
    """
    from fewshot.masks.coco import check_images, read_coco
    from fewshot.slices.images import name_a_few

    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        slices = read_coco(file, images)
        missing = [r.file_name for r in slices.records if not slices.path_of(r).is_file()]
        unnamed = images is None and slices.images == file.parent
        alone = bool(missing) and unnamed and len(missing) == len(slices)
        if missing and not alone:
            return [f"{file}: not in {slices.images}: {name_a_few(missing)}"], [], ""
        if not alone:
            check_images(slices)
    except InputError as error:
        return [str(error)], [], ""
    masks = sum(len(slices.masks_of(record.image_id)) for record in slices.records)
    warnings = [f"{file}: its images were not looked for; give --images"] if alone else []
    return [], warnings, f"COCO, {len(slices)} slices, {masks} masks"
