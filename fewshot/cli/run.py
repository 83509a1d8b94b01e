"""`fewshot demo` and `fewshot run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
ConfigFile = Annotated[Path, typer.Option("--config", help="Settings file (YAML).")]


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
    config: ConfigFile,
    out: Out,
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
    overrides = overrides_of(set_, device, seed, workers)
    overrides += ["control=true"] if control else []
    if dry_run:
        _dry_run(config, out, overrides, json_, mode)
    else:
        _run(config, out, overrides, json_, mode)


def _mode(resume: bool, overwrite: bool) -> "Mode":
    if overwrite and resume:
        raise InputError("--resume and --overwrite: give only one of them")
    return "resume" if resume else "overwrite" if overwrite else "new"


def _run(config: Path, out: Path, overrides: list[str], json_: bool, mode: "Mode") -> None:
    from fewshot.config.load import load_settings
    from fewshot.pipeline.run import run as run_pipeline

    metrics = run_pipeline(load_settings(config, overrides), out.resolve(), mode)
    if json_:
        print_json(metrics)


def _dry_run(config: Path, out: Path, overrides: list[str], json_: bool, mode: "Mode") -> None:
    from fewshot.config.load import load_settings
    from fewshot.pipeline.run import UNCHANGED, status

    stages = status(load_settings(config, overrides), out.resolve(), mode)
    if json_:
        rows = [
            {"stage": name, "status": reason, "runs": reason != UNCHANGED}
            for name, reason in stages
        ]
        print_json({"stages": rows})
        return
    for name, reason in stages:
        say(f"{name}: {'skip' if reason == UNCHANGED else 'run'}, {reason}")
