"""Initial weights of an encoder: downloaded, or a file; read as data, never as code."""

import os
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
from fewshot.config.semantic import SemanticSettings
from fewshot.errors import InputError
from fewshot.semantic.networks import TIMM, SemanticNetwork, build_network
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.schema import check_weights

_KEY = "weights of the encoder"


def start_network(settings: SemanticSettings) -> SemanticNetwork:
    """Return an untrained network with the encoder weights that the settings ask for.

    `auto` are ImageNet's: the file `<encoder>.safetensors` in the folder `FEWSHOT_WEIGHTS`, else
    downloaded. Raises `InputError` with the file that is needed and where to get it.
    """
    if settings.weights == "none":
        return build_network(settings)
    path = encoder_file(settings)
    weights = read_encoder(path)
    if settings.encoder.startswith(TIMM):
        return _fitting(path, settings, lambda: _from_timm(settings, weights))
    # The first layer is made for three channels before it is fitted to the slices'.
    network = build_network(settings.model_copy(update={"channels": 3}))

    def load() -> SemanticNetwork:
        encoder: Any = network.core.encoder
        encoder.load_state_dict(weights)
        encoder.set_in_channels(settings.channels, pretrained=True)
        return SemanticNetwork(network.core, settings)

    return _fitting(path, settings, load)


def _from_timm(settings: SemanticSettings, weights: dict[str, Tensor]) -> SemanticNetwork:
    network = build_network(settings, weights)
    # timm passes over what does not fit; a file of another encoder would go unnoticed.
    core: Any = network.core
    known = {name.replace("_", ".") for name in weights}
    wanted = {name.replace("_", ".") for name in core.encoder.model.state_dict()}
    if 2 * len(wanted & known) < len(wanted):
        raise KeyError("most layers are not in the file")
    return network


def encoder_file(settings: SemanticSettings) -> Path:
    """Return the file with the encoder's weights; `InputError` if it is unavailable."""
    if settings.weights != "auto":
        path = Path(settings.weights)
        if not path.is_file():
            raise InputError(f"{_KEY}: {path}: no such file; use auto, none or a file")
        return path
    folder = os.environ.get(WEIGHTS_FOLDER_VARIABLE)
    named = f"{settings.encoder}.safetensors"
    if folder and (Path(folder) / named).is_file():
        return Path(folder) / named
    repository = _repository(settings.encoder)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except Exception as error:  # the downloader raises whatever its transport raises
        raise InputError(
            f"{_KEY}: model.safetensors of huggingface.co/{repository} cannot be downloaded; fetch "
            f"it on another machine, put it as {named} into a folder and set "
            f"{WEIGHTS_FOLDER_VARIABLE} to that folder, or use weights: none"
        ) from error


def _repository(encoder: str) -> str:
    """Return where huggingface.co keeps an encoder's ImageNet weights."""
    name: Any = None
    if encoder.startswith(TIMM):
        found: Any = timm.models.get_pretrained_cfg(
            encoder.removeprefix(TIMM), allow_unregistered=True
        )
        name = found and found.hf_hub_id
        if name and name.endswith("/"):
            name += f"{found.architecture}.{found.tag}"
    elif encoder in smp.encoders.encoders:
        settings = smp.encoders.encoders[encoder]["pretrained_settings"]
        name = settings.get("imagenet", {}).get("repo_id")
    if not name:
        raise InputError(f"{_KEY}: there are no ImageNet weights of {encoder}; use none or a file")
    return str(name)


def read_encoder(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file by name; `InputError` when they are none."""
    if path.suffix != ".safetensors":
        content = load_checkpoint(path)
        weights: Any = content.get("model", content.get("state_dict", content))
    else:
        try:
            weights = load_file(path)
        except (OSError, SafetensorError, ValueError) as error:
            raise InputError(f"{path}: not a readable safetensors file; fetch it again") from error
    return check_weights(weights, path)


def _fitting(path: Path, settings: SemanticSettings, load: Any) -> SemanticNetwork:
    try:
        network: SemanticNetwork = load()
    except (
        *(LookupError, RuntimeError, TypeError, ValueError, AttributeError),
        *(AssertionError, InputError),
    ) as error:
        raise InputError(
            f"{path}: does not fit the encoder {settings.encoder}; give the file made for it"
        ) from error
    return network
