"""A trained semantic network and the folder it lives in.

A model folder holds `model.pth` (weights) and `model.json` (what it is): all that prediction needs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.semantic import RegionMethod, SemanticSettings
from fewshot.errors import InputError
from fewshot.files import read_json, sha256_file, write_json
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.semantic.networks import SemanticNetwork, build_network
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.devices import resolve_device

KIND = "semantic"
WEIGHTS = "model.pth"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class SemanticModel:
    """A semantic network in evaluation mode, its settings, and the name its predictions carry.

    `preprocess` is what was done to the slices it learnt from: it is done to all that it sees.
    """

    network: SemanticNetwork
    settings: SemanticSettings
    name: str
    preprocess: PreprocessSettings = AS_READ

    def with_regions(self, method: RegionMethod) -> "SemanticModel":
        """Return the same network, its regions found by a method; `InputError` if it cannot."""
        regions = self.settings.regions.model_copy(update={"method": method})
        values = {**self.settings.model_dump(), "regions": regions.model_dump()}
        try:
            return replace(self, settings=SemanticSettings.model_validate(values))
        except ValidationError as error:
            raise InputError(
                f"{self.name}: was trained without boundaries; use --regions components"
            ) from error


def save_model(
    model: SemanticModel,
    folder: Path,
    *,
    iterations: int,
    average_precision: AveragePrecision,
    facts: Mapping[str, Any],
) -> None:
    """Write a model to its folder; the description last, so that it marks a whole model.

    `facts` are what validation, the clock and the job said; they join the description.
    """
    save_checkpoint(folder / WEIGHTS, {"model": model.network.state_dict()})
    # The run's device and workers are no part of what the model is.
    settings = model.settings.model_dump(mode="json", exclude={"device", "workers"})
    description = {
        "kind": KIND,
        "name": model.name,
        "iterations": iterations,
        "average_precision": asdict(average_precision),
        **facts,
        "weights": sha256_file(folder / WEIGHTS),
        "semantic": settings,
        "preprocess": model.preprocess.model_dump(mode="json"),
    }
    write_json(folder / DESCRIPTION, description)


def load_model(folder: Path, device: str = "auto") -> SemanticModel:
    """Return the network in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""
    description = describe_model(folder)
    settings, preprocess = _settings(folder, description, device)
    network = build_network(settings)
    try:
        network.load_state_dict(load_checkpoint(folder / WEIGHTS)["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / WEIGHTS}: does not fit {folder / DESCRIPTION}; train the model again"
        ) from error
    target = resolve_device(settings.device)
    network.to(target).to(memory_format=torch.channels_last).eval()
    return SemanticModel(network, settings, description["name"], preprocess)


def describe_model(folder: Path) -> dict[str, Any]:
    """Return a model's description: kind, name, iterations, average_precision, semantic, …."""
    if not (folder / DESCRIPTION).is_file():
        raise InputError(f"{folder}: holds no trained model (no {DESCRIPTION})")
    description = read_json(folder / DESCRIPTION)
    wanted = {"kind", "name", "iterations", "average_precision", "semantic"}
    if not isinstance(description, dict) or not wanted <= set(description):
        raise InputError(
            f"{folder / DESCRIPTION}: not the description of a semantic network; train it again"
        )
    if description["kind"] != KIND:
        raise InputError(f"{folder / DESCRIPTION}: unknown kind of model {description['kind']!r}")
    return description


def _settings(
    folder: Path, description: dict[str, Any], device: str
) -> tuple[SemanticSettings, PreprocessSettings]:
    try:
        settings = SemanticSettings.model_validate({**description["semantic"], "device": device})
        return settings, PreprocessSettings.model_validate(description.get("preprocess", {}))
    except (ValidationError, TypeError) as error:
        raise InputError(f"{folder / DESCRIPTION}: its settings are damaged") from error
