"""Finding and safely reading the weights a detector starts from, and the ones it saved.

A checkpoint is data, never code: PyTorch files are read with `weights_only=True`, and the model
zoo's pickles are parsed, not run.
"""

import os
from pathlib import Path
from typing import Any

import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils.file_io import PathManager
from torch import nn

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import TINY
from fewshot.detector.encoders import SEMANTIC_ENCODER, backbone_weights
from fewshot.detector.zoo_pickle import read_arrays
from fewshot.errors import InputError
from fewshot.training.checkpoints import load_checkpoint

WEIGHTS_FOLDER_VARIABLE = "FEWSHOT_WEIGHTS"


def initial_weights(settings: DetectorSettings) -> Path | None:
    """Return the file a training starts from, or None for a start from scratch.

    `weights: auto` means the model zoo's weights for a zoo architecture and none for `tiny`. Zoo
    files are looked for in the folder named by `FEWSHOT_WEIGHTS`, then downloaded into Detectron2's
    cache. Raises `InputError` naming the file and its address when it cannot be had.
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
    """Return whether the model zoo's weights of an architecture are on this machine already."""
    address = _zoo_address(architecture)
    folder = os.environ.get(WEIGHTS_FOLDER_VARIABLE)
    if folder and (Path(folder) / address.rsplit("/", 1)[-1]).is_file():
        return True
    cache = Path(os.environ.get("FVCORE_CACHE", "~/.torch/iopath_cache")).expanduser()
    return (cache / address.split("://", 1)[-1].split("/", 1)[-1]).is_file()


def load_initial_weights(network: nn.Module, path: Path) -> None:
    """Copy weights from a file into a network in place; layers of other shapes are left alone.

    Accepts Detectron2 checkpoints (`.pth`), model zoo or Detectron1 pickles (`.pkl`), and weights
    of a semantic model, whose ResNet encoder becomes the backbone. Raises `InputError` when the
    file is unreadable or shares no layer with the network.
    """
    checkpointer = _SafeCheckpointer(network)
    content = checkpointer._load_file(str(path))
    if not isinstance(content.get("model"), dict):
        raise InputError(f"{path}: holds no model weights; give a Detectron2 checkpoint")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    checkpointer._load_model(content)
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
    """Detectron2's checkpointer, with its name matching but without its unsafe reading."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        if not filename.endswith(".pkl"):
            content = load_checkpoint(Path(filename))
            content = content if "model" in content else {"model": content}
            weights = content["model"]
            if isinstance(weights, dict) and any(_of_an_encoder(name) for name in weights):
                return {"model": backbone_weights(weights)}
            return content
        content = read_arrays(Path(filename))
        if "model" in content and "__author__" in content:
            return content
        content = content.get("blobs", content)
        weights = {name: value for name, value in content.items() if not name.endswith("_momentum")}
        return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}


def _of_an_encoder(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(SEMANTIC_ENCODER)
