"""Running all stages in a run directory."""

from pathlib import Path
from typing import Any, Literal

from fewshot.config.load import dump_settings
from fewshot.config.logging import check_mlflow
from fewshot.config.names import REVIEW
from fewshot.config.tree import FinalSettings, ModelSettings, RadiologistSettings, RunSettings
from fewshot.errors import InputError
from fewshot.files import check_regular, read_json, remove_remains, write_text
from fewshot.lock import LOCK, REVIEW_LOCK, locked, refuse_if_locked
from fewshot.models.registry import family_of
from fewshot.pipeline import plan
from fewshot.progress import say
from fewshot.run import owned
from fewshot.run.layout import DATA_KEYS, RunLayout
from fewshot.run.scores import read_run_scores
from fewshot.run.stages import StageRunner
from fewshot.text import NOTICE
from fewshot.training.devices import resolve_device

UNCHANGED = "done and unchanged"
Mode = Literal["new", "resume", "overwrite"]


def run(settings: RunSettings, out: Path, mode: Mode = "new") -> dict[str, Any]:
    """Run every stage that is not up to date, and return the contents of `metrics.json`.

    Args:
        settings: of the run; saved as `config.resolved.yaml`.
        out: the run directory.
        mode: `new` needs an empty or absent directory; `resume` continues a run; `overwrite` first
            deletes what a run wrote there, and refuses a directory with anything else in it.

    Raises:
        InputError: the directory cannot be used, or data or settings are wrong; the directory is
            then unchanged.
        FewshotError: another process is working in the directory.
    """
    refuse_if_locked(out)
    _check_directory(out, mode)
    settings = _resolve(settings)
    layout = RunLayout(settings, out)
    _check_inputs(layout)
    _check_outside(settings, out, mode)
    stages, runner = plan.stages(layout), StageRunner()
    for stage in stages:
        if stage.check is not None and (mode == "overwrite" or runner.why_run(stage)):
            stage.check()
    _check_models(settings)
    check_mlflow(settings.logging)
    with locked(out):
        _check_directory(out, mode)  # another run may have started and finished here meanwhile
        if mode == "overwrite":
            owned.empty(out)
        remove_remains(out)
        owned.note_outputs(out, stages)
        write_text(layout.resolved, dump_settings(settings))
        layout.link_images()
        for stage in stages:
            runner.run(stage)
    metrics: dict[str, Any] = read_json(layout.metrics)
    for line in read_run_scores(layout.metrics).table():
        say(line)
    which = "" if layout.has_test else " (of the validation slices, as there is no test set)"
    say(f"submission: {layout.submission}{which}")
    say(f"report: {layout.report}")
    say(NOTICE)
    return metrics


def status(settings: RunSettings, out: Path, mode: Mode = "resume") -> list[tuple[str, str]]:
    """Return each stage's name and why it would run, or `done and unchanged`.

    Raises `InputError` for a directory that `run` would refuse. See `StageRunner.forecast`.
    """
    _check_directory(out, mode)
    settings = _resolve(settings)
    layout = RunLayout(settings, out)
    _check_inputs(layout)
    _check_outside(settings, out, mode)
    stages = plan.stages(layout)
    if mode == "overwrite":
        return [(stage.name, "the directory is emptied first") for stage in stages]
    return [(name, reason or UNCHANGED) for name, reason in StageRunner().forecast(stages)]


def _resolve(settings: RunSettings) -> RunSettings:
    """Return the settings with device and initial weights resolved on this machine.

    A detector that no model uses is left unresolved, so that Detectron2 need not be installed.
    """

    def found(model: ModelSettings) -> ModelSettings:
        resolved: ModelSettings = family_of(model).resolve(model)
        return resolved

    def own(part: RadiologistSettings | FinalSettings) -> Any:
        return part.model_copy(update={"model": None if part.model is None else found(part.model)})

    used = settings.detector in _models(settings).values()
    changes = {
        "device": resolve_device(settings.device),
        "detector": found(settings.detector) if used else settings.detector,
        "radiologists": tuple(map(own, settings.radiologists)),
        "final": own(settings.final),
    }
    return settings.model_copy(update=changes)


def _models(settings: RunSettings) -> dict[str, ModelSettings]:
    """Return the settings of a run's models, by their keys."""
    named = {f"radiologists.{one.name}.model": one.model for one in settings.radiologists}
    named["final.model"] = settings.final.model
    own = {key: model for key, model in named.items() if model is not None}
    return own if len(own) == len(named) else {"detector": settings.detector, **own}


def _check_models(settings: RunSettings) -> None:
    """Refuse options that no network can be built with, and weights that fit no layer."""
    for model in _models(settings).values():
        if model.weights_file is not None:
            check_regular(model.weights_file)
        family_of(model).check(model)


def _check_inputs(layout: RunLayout) -> None:
    """Refuse missing files before anything is written."""
    for key in (one for one in DATA_KEYS if one not in layout.groups_off):
        path = getattr(layout.settings.data, key)
        if path is not None and not path.exists():
            raise InputError(f"data.{key}: {path}: no such file or folder")
        if path is not None:
            check_regular(path)


def _check_outside(settings: RunSettings, out: Path, mode: Mode) -> None:
    """Refuse data in the run directory, and to empty one that contains any input of the run."""
    data = settings.data
    files = {f"data.{key}": getattr(data, key) for key in DATA_KEYS}
    if mode == "overwrite":
        weights = {key: model.weights_file for key, model in _models(settings).items()}
        files |= {f"{key}.weights": file for key, file in weights.items()}
    why = ", which --overwrite would empty" if mode == "overwrite" else ", where the run writes"
    for key, path in files.items():
        if path is not None and path.exists() and path.resolve().is_relative_to(out.resolve()):
            raise InputError(f"{key}: {path} is in {out}{why}; give another directory for the run")


def _check_directory(out: Path, mode: Mode) -> None:
    if out.is_file():
        raise InputError(f"{out}: is a file; give a directory for the run")
    if not out.is_dir() or all(path.name == LOCK for path in out.iterdir()):
        return
    if mode == "new":
        raise InputError(f"{out}: is not empty; use --resume, --overwrite, or another directory")
    if not owned.is_run(out):
        raise InputError(
            f"{out}: is not a run directory (it has no record of a run); left unchanged"
        )
    owned.refuse_links(out)
    if mode == "overwrite" and (out / REVIEW).exists():
        raise InputError(
            f"{out / REVIEW}: contains a person's review, which --overwrite would delete; "
            "move it away first"
        )
    if mode == "overwrite":
        refuse_if_locked(out, REVIEW_LOCK)
        owned.refuse_others(out)
