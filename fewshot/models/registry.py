"""Access to models of every kind: `config.tree` lists the kinds, and each has a module here."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fewshot.config.network import NetworkSettings
from fewshot.config.tree import KINDS
from fewshot.errors import InputError
from fewshot.models.interface import Model, ModelFamily
from fewshot.progress import Advance, no_progress
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import DESCRIPTION, describe_model

if TYPE_CHECKING:
    from fewshot.training.loop import Progress


def family_of(settings: NetworkSettings) -> ModelFamily[Any]:
    """Return the family of a model with these settings."""
    return _family(settings.kind)


def modules_of(models: Iterable[NetworkSettings]) -> list[str]:
    """Return the modules that models with these settings train and predict with.

    >>> from fewshot.config.tree import DetectorSettings
    >>> modules_of([DetectorSettings()])
    ['fewshot.models.mask_rcnn']
    """
    return sorted({_module(settings.kind) for settings in models})


def train_model(
    job: TrainingJob, out: Path, advance: Advance = no_progress, replace: bool = True
) -> "Progress":
    """Train a model of any kind into a folder; see `training.loop.train`."""
    from fewshot.training.loop import train

    return train(family_of(job.settings).task(job), out, advance, replace)


def load_model(folder: Path, device: str = "auto") -> Model:
    """Return a trained model of any kind, ready to predict on `cpu`, `cuda` or `auto`.

    Raises `InputError` if the folder contains none, or one of an unknown kind.
    """
    kind = describe_model(folder).kind
    if kind not in KINDS:
        raise InputError(
            f"{folder / DESCRIPTION}: unknown kind of model {kind!r}; there are {', '.join(KINDS)}"
        )
    family = _family(kind)
    return Model(family.load(folder, device), family)


def _family(kind: str) -> ModelFamily[Any]:
    """Return the `FAMILY` of a kind; its module, with large packages, is imported only now."""
    return cast(ModelFamily[Any], import_module(_module(kind)).FAMILY)


def _module(kind: str) -> str:
    return f"fewshot.models.{kind}"
