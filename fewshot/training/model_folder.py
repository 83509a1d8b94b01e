"""The folder of a trained model of any kind.

`model.pth` contains the weights, `model.json` describes them, and `training.jsonl` contains the
learning curves, one line per iteration. The description is written last and marks a complete model.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from fewshot.config.base import Settings
from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.errors import InputError
from fewshot.files import read_json, sha256_file, write_json

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "model.pth"
DESCRIPTION = "model.json"
CURVES = "training.jsonl"
CHECKPOINT = "checkpoint.pth"
TIME = "time.json"

_KEYS = {"kind": str, "name": str, "iterations": int, "validation": dict, "settings": dict}
_Given = TypeVar("_Given", bound=Settings)


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode, its settings, and the name that its predictions carry.

    `preprocess` is the preprocessing of its training slices, which prediction applies, too.
    """

    network: Any
    settings: Any
    name: str
    preprocess: PreprocessSettings = AS_READ


@dataclass(frozen=True)
class Description:
    """The contents of `model.json`.

    Attributes:
        kind: of network.
        name: of the model.
        iterations: of its training.
        validation: its scores on the validation slices by name, such as `ap`.
        settings: of the network, as plain values; those that its predictions depend on.
        preprocess: settings of preprocessing, as plain values.
        training: digests of its job, weights and curves, and incidents during training.
    """

    kind: str
    name: str
    iterations: int
    validation: Mapping[str, float]
    settings: Mapping[str, Any]
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


def describe_model(folder: Path) -> Description:
    """Return the description of the model in a folder; `InputError` if there is none.

    Descriptions by fewshot 0.1, with other keys, are read as well.
    """
    from fewshot.training.schema import check_description, check_scores

    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder}: contains no trained model (no {DESCRIPTION})")
    content = read_json(path)
    if isinstance(content, dict) and "average_precision" in content:
        content = _of_release_0_1(content)
    content = {"preprocess": {}, "training": {}, **check_description(content, path, _KEYS)}
    check_description(content, path, {"preprocess": dict, "training": dict})
    check_scores(content["validation"], path)
    return Description(**{name: content[name] for name in Description.__dataclass_fields__})


def write_description(folder: Path, description: Description) -> None:
    """Write `model.json`."""
    write_json(folder / DESCRIPTION, asdict(description))


def save_trained(
    trained: TrainedNetwork,
    folder: Path,
    iterations: int = 0,
    validation: Mapping[str, float] = MappingProxyType({}),
    training: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a network as a model folder; for the other arguments see `Description`."""
    from fewshot.training.checkpoints import save_checkpoint

    save_checkpoint(folder / WEIGHTS, {"model": trained.network.state_dict()})
    description = Description(
        kind=trained.settings.kind,
        name=trained.name,
        iterations=iterations,
        validation=dict(validation),
        settings=described(trained.settings),
        preprocess=trained.preprocess.model_dump(mode="json"),
        training=dict(training),
    )
    write_description(folder, description)


def described(settings: Any) -> dict[str, Any]:
    """Return the settings that a model's predictions depend on, as stored in its description."""
    values: dict[str, Any] = settings.identity("prediction")
    return values


def is_whole(folder: Path, description: Description, job: str) -> bool:
    """Return whether a folder contains the complete model of the job with this identity."""
    training = description.training
    try:
        return bool(
            training["job"] == job
            and training["weights"] == sha256_file(folder / WEIGHTS)
            and training["curves"] == sha256_file(folder / CURVES)
        )
    except (OSError, KeyError):
        return False


def load_trained(
    folder: Path, settings: type[Settings], build: "Callable[[Any], nn.Module]"
) -> TrainedNetwork:
    """Return the network in a model folder, in evaluation mode.

    Args:
        folder: of the model.
        settings: the class of its settings.
        build: returns the untrained network of settings, on its device.

    Raises `InputError` if there is no such model, or if it is damaged.
    """
    description = describe_model(folder)
    kind = settings.model_fields["kind"].default
    if description.kind != kind:
        raise InputError(f"{folder}: contains a model of kind {description.kind!r}, not {kind!r}")
    values = validated(folder, settings, description.settings)
    preprocess = validated(folder, PreprocessSettings, description.preprocess)
    network = load_weights(folder, build(values))
    return TrainedNetwork(network.eval(), values, description.name, preprocess)


def load_weights(folder: Path, network: "nn.Module") -> "nn.Module":
    """Return a network with the weights of a folder's model; `InputError` if they do not fit."""
    from fewshot.training.checkpoints import load_checkpoint
    from fewshot.training.schema import fill

    content = load_checkpoint(folder / WEIGHTS)
    way_out = f"{DESCRIPTION} is of another network; train the model again"
    fill(network, content.get("model", content), folder / WEIGHTS, way_out)
    return network


def validated(folder: Path, settings: type[_Given], values: Mapping[str, Any]) -> _Given:
    """Return settings from a folder's description; `InputError` if they are invalid."""
    try:
        return settings.model_validate(_known(settings, values))
    except (ValidationError, TypeError) as error:
        raise InputError(f"{folder / DESCRIPTION}: its settings are damaged") from error


def _known(settings: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without settings that only earlier releases had."""
    kept = {}
    for name, field_ in settings.model_fields.items():
        if name in values:
            below, value = field_.annotation, values[name]
            nested = isinstance(below, type) and issubclass(below, BaseModel)
            kept[name] = _known(below, value) if nested else value  # type: ignore[arg-type]
    return kept


def _of_release_0_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return a description by fewshot 0.1 with the current keys, as far as possible."""
    scores, iou_and_dice = content["average_precision"], {"iou", "dice"} & content.keys()
    settings = "detector" if content.get("kind") == "mask_rcnn" else "semantic"
    if isinstance(scores, dict):
        scores = {**scores, **{name: content[name] for name in sorted(iou_and_dice)}}
    renamed = {"validation": scores}
    if isinstance(found := content.get(settings), dict):
        featup = found.get("featup")
        experimental = {"gafl": found.get("gafl", False)}
        if isinstance(featup, dict) and featup.get("iterations"):
            experimental["featup"] = featup["iterations"]
        renamed["settings"] = {**found, "experimental": experimental}
    return {**content, **renamed}
