"""`fewshot demo` and `fewshot run`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewshot.cli.data import Groups
from fewshot.cli.options import (
    Device,
    Json,
    Out,
    SeedSetting,
    Sets,
    Workers,
    overrides_of,
    print_json,
)
from fewshot.errors import InputError
from fewshot.progress import say

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings
    from fewshot.pipeline.run import Mode

Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Delete first what runs wrote to --out; refused if it holds more."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue a run, skipping finished stages.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only list the stages that would run, and why.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file (YAML), or the name of a built-in one, such as demo; by default the "
        "built-in settings, a small detector that is trained from scratch.",
        show_default=False,
    ),
]


def demo(
    out: Out,
    overwrite: Overwrite = False,
    resume: Resume = False,
    set_: Sets = None,
    device: Device = "cpu",
    seed: SeedSetting = None,
    json_: Json = False,
) -> None:
    """Generate a phantom data set and run everything on it, on the CPU, in a few minutes."""
    from fewshot.config.load import builtin_config

    overrides = overrides_of(set_, device, seed)
    _run(builtin_config("demo.yaml"), out, overrides, json_, _mode(resume, overwrite))


def run(
    out: Out,
    config: ConfigFile = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="Slices, labelled or not: PNG, JPEG, TIFF, .npy, .npz, NIfTI or DICOM; "
            "this and the next options are those of convert, and settings of data.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="Label CSV, label images, .npy, .npz, NIfTI or COCO of some slices."
        ),
    ] = None,
    groups: Groups = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", help="Test slices; without any, validation slices are answered."),
    ] = None,
    test_labels: Annotated[
        Path | None, typer.Option("--test-labels", help="Labels of the test slices, to score on.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window", help="Grey window: soft-tissue, lung, centre/width, percentile, minmax, …"
        ),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option("--axis", help="Axis of a NIfTI volume: axial, coronal, sagittal, 0, 1, 2."),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option("--spacing", help="Spacing of numbered slices, mm: column, row, slice."),
    ] = None,
    set_: Sets = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    device: Device = None,
    seed: SeedSetting = None,
    workers: Workers = None,
    control: Annotated[
        bool,
        typer.Option(
            "--control",
            help="Also train a fair control of the final model, on labels only.",
        ),
    ] = False,
    json_: Json = False,
) -> None:
    """Run all stages, from images and labels to a scored submission and a report.

    Writes submission.csv, metrics.json, report.html, config.resolved.yaml and
    soft_labels/annotations.json to the run directory.
    """
    mode = _mode(resume, overwrite)
    files = {
        "train_images": images,
        "train_labels": labels,
        "groups": groups,
        "test_images": test,
        "test_labels": test_labels,
    }
    data = _data_settings(files, window, axis, spacing)
    if config is None and images is None:
        raise InputError("run: give --images and --labels, or settings with --config")
    overrides = [*data, *overrides_of(set_, device, seed, workers)]
    overrides += ["control=true"] if control else []
    if dry_run:
        _dry_run(config, out, overrides, json_, mode)
    else:
        _run(config, out, overrides, json_, mode)


def _data_settings(
    files: dict[str, Path | None], window: str | None, axis: str | None, spacing: str | None
) -> list[str]:
    """Return the options of data as overrides of settings."""
    from fewshot.slices.sequence import parse_spacing

    sides = None if spacing is None else parse_spacing(spacing)
    given = {**files, "window": window, "axis": axis, "spacing": sides}
    # JSON, so that YAML takes no name of a file for a number or a switch.
    found = [
        f"data.{key}={json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in given.items()
        if value is not None
    ]
    return [*(["data.phantom=null"] if files["train_images"] is not None else []), *found]


def _mode(resume: bool, overwrite: bool) -> "Mode":
    if overwrite and resume:
        raise InputError("--resume and --overwrite: give only one of them")
    return "resume" if resume else "overwrite" if overwrite else "new"


def _settings(config: Path | None, overrides: list[str]) -> "RunSettings":
    """Return the settings in a file, in a built-in one of this name, or the built-in ones."""
    from fewshot.config.load import builtin_config, builtin_names, load_settings, parse_settings

    if config is None:
        return parse_settings({}, overrides)
    if not config.suffix and config.parent == Path() and not config.exists():
        if str(config) not in builtin_names():
            raise InputError(
                f"--config {config}: no such settings file, nor a built-in configuration "
                f"({', '.join(builtin_names())})"
            )
        config = builtin_config(f"{config}.yaml")
    return load_settings(config, overrides)


def _run(config: Path | None, out: Path, overrides: list[str], json_: bool, mode: "Mode") -> None:
    from fewshot.pipeline.run import run as run_pipeline

    metrics = run_pipeline(_settings(config, overrides), out.resolve(), mode)
    if json_:
        print_json(metrics)


def _dry_run(
    config: Path | None, out: Path, overrides: list[str], json_: bool, mode: "Mode"
) -> None:
    from fewshot.pipeline.run import UNCHANGED, status

    stages = status(_settings(config, overrides), out.resolve(), mode)
    if json_:
        rows = [
            {"stage": name, "status": reason, "runs": reason != UNCHANGED}
            for name, reason in stages
        ]
        print_json({"stages": rows})
        return
    for name, reason in stages:
        say(f"{name}: {'skip' if reason == UNCHANGED else 'run'}, {reason}")
