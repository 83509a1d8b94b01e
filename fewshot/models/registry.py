"""Which kinds of models there are, and the one door through which each is reached."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from fewshot.config.tree import ModelSettings
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.models.interface import Kind, Model, ModelJob
from fewshot.progress import Advance, no_progress

DESCRIPTION = "model.json"
# Kind, as settings and model.json call it → the module that has it as KIND. They are imported when
# they are asked for: each brings a large package with it.
_MODULES: Mapping[str, str] = {
    "mask_rcnn": "fewshot.models.mask_rcnn",
    "semantic": "fewshot.models.semantic",
}


def kind_of(settings: ModelSettings) -> Kind:
    """Return the kind of model that settings are of."""
    return _kind(settings.kind)


def modules_of(models: Iterable[ModelSettings]) -> list[str]:
    """Return the modules through which models of these settings are trained and asked."""
    return sorted({_MODULES[settings.kind] for settings in models})


def train_model(
    job: ModelJob, out: Path, advance: Advance = no_progress, replace: bool = True
) -> AveragePrecision:
    """Train a model of any kind into a folder; return its validation AP (see `Kind.train`)."""
    return kind_of(job.settings).train(job, out, advance, replace)


def describe_model(folder: Path) -> dict[str, Any]:
    """Return the description of a trained model of any kind.

    Raises `InputError` when the folder holds none, or one of an unknown kind.
    """
    return _kind_in(folder).describe(folder)


def load_model(folder: Path, device: str = "auto") -> Model:
    """Return a trained model of any kind, ready to predict on `cpu`, `cuda` or `auto`."""
    return _kind_in(folder).load(folder, device)


def _kind_in(folder: Path) -> Kind:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder}: holds no trained model (no {DESCRIPTION})")
    description = read_json(path)
    if not isinstance(description, dict):
        raise InputError(f"{path}: not a model's description; train it again")
    name = description.get("kind")
    if not isinstance(name, str) or name not in _MODULES:
        raise InputError(f"{path}: unknown kind of model {name!r}; there are {', '.join(_MODULES)}")
    return _kind(name)


def _kind(name: str) -> Kind:
    return cast(Kind, import_module(_MODULES[name]).KIND)
