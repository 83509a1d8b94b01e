"""A trained detector and the folder it lives in.

A model folder holds `model.pth` (weights) and `model.json` (what it is): all that prediction needs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.fusion import prepare_for_prediction
from fewshot.errors import InputError
from fewshot.files import read_json, sha256_file, write_json
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint

WEIGHTS = "model.pth"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Detector:
    """A Mask R-CNN in evaluation mode, its settings, and the name its predictions carry.

    `preprocess` is what was done to the slices it learnt from: it is done to all that it sees.
    """

    network: nn.Module
    settings: DetectorSettings
    name: str
    preprocess: PreprocessSettings = AS_READ


def save_detector(
    detector: Detector,
    folder: Path,
    *,
    iterations: int,
    average_precision: AveragePrecision,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a detector to its folder; the description last, so that it marks a whole model.

    `training`, what made it, is kept there, with a digest of the weights.
    """
    save_checkpoint(folder / WEIGHTS, {"model": detector.network.state_dict()})
    # The run's device and workers are no part of what the model is.
    settings = detector.settings.model_dump(mode="json", exclude={"device", "workers"})
    description = {
        "kind": "mask_rcnn",
        "name": detector.name,
        "iterations": iterations,
        "average_precision": asdict(average_precision),
        "detector": settings,
        "preprocess": detector.preprocess.model_dump(mode="json"),
        "training": {**(training or {}), "weights": sha256_file(folder / WEIGHTS)},
    }
    write_json(folder / DESCRIPTION, description)


def load_detector(folder: Path, device: str = "auto") -> Detector:
    """Return the detector in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""
    description = describe_detector(folder)
    settings = _settings(folder, description["detector"], device)
    preprocess = _preprocess(folder, description.get("preprocess", {}))
    network = build_network(build_config(settings), settings.gafl)
    try:
        network.load_state_dict(load_checkpoint(folder / WEIGHTS)["model"])
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"{folder / WEIGHTS}: does not fit {folder / DESCRIPTION}; train the model again"
        ) from error
    return Detector(prepare_for_prediction(network), settings, description["name"], preprocess)


def describe_detector(folder: Path) -> dict[str, Any]:
    """Return a model's description: kind, name, iterations, average_precision, detector.

    And preprocess, where the model is of a version that knew it.
    """
    if not (folder / DESCRIPTION).is_file():
        raise InputError(f"{folder}: holds no trained model (no {DESCRIPTION})")
    description = read_json(folder / DESCRIPTION)
    wanted = {"kind", "name", "iterations", "average_precision", "detector"}
    if not isinstance(description, dict) or not wanted <= set(description):
        raise InputError(f"{folder / DESCRIPTION}: not a model's description; train it again")
    if description["kind"] != "mask_rcnn":
        raise InputError(f"{folder / DESCRIPTION}: unknown kind of model {description['kind']!r}")
    return description


def _settings(folder: Path, values: Any, device: str) -> DetectorSettings:
    try:
        return DetectorSettings.model_validate({**values, "device": device})
    except (ValidationError, TypeError) as error:
        raise InputError(f"{folder / DESCRIPTION}: its settings are damaged") from error


def _preprocess(folder: Path, values: Any) -> PreprocessSettings:
    try:
        return PreprocessSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{folder / DESCRIPTION}: its preprocessing is damaged") from error
