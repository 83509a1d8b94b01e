"""Finding and safely reading a detector's initial weights.

A checkpoint is data, never code: PyTorch files are read with `weights_only=True`, and the model
zoo's pickles are parsed, not run.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils.file_io import PathManager
from torch import Tensor, nn

from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import TINY
from fewshot.detector.encoders import SEMANTIC_ENCODER, backbone_weights
from fewshot.detector.zoo_pickle import read_arrays
from fewshot.errors import InputError
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.schema import check_weights, reason

# What Detectron2's matching of names raises where shapes or names are not as it takes for granted.
_MATCHING = (LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError)


def initial_weights(settings: DetectorSettings) -> Path | None:
    """Return the file of initial weights, or None to train from scratch.

    `weights: auto` means the model zoo's weights for a zoo architecture and none for `tiny`. Zoo
    files are searched in the folder `FEWSHOT_WEIGHTS`, then downloaded to Detectron2's cache.
    Raises `InputError` with the file and its address if it is unavailable.
    """
    if settings.weights == "none" or (settings.weights == "auto" and settings.architecture == TINY):
        return None
    if settings.weights != "auto":
        path = Path(settings.weights)
        if not path.is_file():
            raise InputError(f"detector.weights: {path}: no such file; use auto, none or a file")
        return path
    address = _zoo_address(settings.architecture)
    name = address.rsplit("/", 1)[-1]
    folder = os.environ.get(WEIGHTS_FOLDER_VARIABLE)
    if folder and (Path(folder) / name).is_file():
        return Path(folder) / name
    try:
        return Path(PathManager.get_local_path(address))
    except Exception as error:  # the downloader raises whatever its transport raises
        raise InputError(
            f"detector.weights: {name} cannot be downloaded from {address}; fetch it on another "
            f"machine, put it into a folder and set {WEIGHTS_FOLDER_VARIABLE} to that folder, "
            "or use detector.weights=none to train from scratch"
        ) from error


def zoo_weights_present(architecture: str) -> bool:
    """Return whether the model zoo's weights of an architecture are on this machine."""
    address = _zoo_address(architecture)
    folder = os.environ.get(WEIGHTS_FOLDER_VARIABLE)
    if folder and (Path(folder) / address.rsplit("/", 1)[-1]).is_file():
        return True
    cache = Path(os.environ.get("FVCORE_CACHE", "~/.torch/iopath_cache")).expanduser()
    return (cache / address.split("://", 1)[-1].split("/", 1)[-1]).is_file()


def load_initial_weights(network: nn.Module, path: Path) -> None:
    """Copy weights from a file into a network in place, skipping layers of other shapes.

    Accepts Detectron2 checkpoints (`.pth`), model zoo or Detectron1 pickles (`.pkl`), and weights
    of a semantic model, whose ResNet encoder initialises the backbone. Raises `InputError` if the
    file is unreadable or no layer fits.
    """
    checkpointer = _SafeCheckpointer(network)
    content = checkpointer._load_file(str(path))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        checkpointer._load_model(content)
    except _MATCHING as error:
        raise InputError(
            f"{path}: its layers cannot be matched with Detectron2's ({reason(error)}); give a "
            "Detectron2 checkpoint"
        ) from error
    after = network.state_dict()
    if all(torch.equal(before[name], after[name]) for name in before):
        raise InputError(f"{path}: no layer fits the architecture; choose the one it was made for")


def _zoo_address(architecture: str) -> str:
    name = architecture if architecture.endswith(".yaml") else f"{architecture}.yaml"
    try:
        address: str = model_zoo.get_checkpoint_url(name)
    except RuntimeError as error:
        raise InputError(
            f"detector.weights: the model zoo has no weights for {architecture}; "
            "use detector.weights=none or a file"
        ) from error
    return address


class _SafeCheckpointer(DetectionCheckpointer):  # type: ignore[misc]
    """Detectron2's checkpointer with its matching of names, but safe reading."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        path = Path(filename)
        if not filename.endswith(".pkl"):
            content = load_checkpoint(path)
            weights = check_weights(content.get("model", content), path)
            if any(name.startswith(SEMANTIC_ENCODER) for name in weights):
                return {"model": _backbone(weights, path)}
            return {**content, "model": weights}
        content = read_arrays(path)
        if "model" in content and "__author__" in content:
            return {**content, "model": _tensors(content["model"], path)}
        weights = _tensors(content.get("blobs", content), path)
        weights = {name: value for name, value in weights.items() if not name.endswith("_momentum")}
        return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}


def _tensors(arrays: object, path: Path) -> dict[str, Tensor]:
    """Return arrays by name as tensors, checked as weights."""
    if isinstance(arrays, dict):
        arrays = {name: _tensor(value) for name, value in arrays.items()}
    return check_weights(arrays, path)


def _tensor(value: object) -> object:
    plain = isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "u"
    return torch.from_numpy(np.asarray(value)) if plain else value


def _backbone(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    try:
        return backbone_weights(weights)
    except _MATCHING as error:
        raise InputError(
            f"{path}: its encoder is not a ResNet of slices ({reason(error)}); give another file"
        ) from error
