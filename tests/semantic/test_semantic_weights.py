"""Encoders by name, and their weights from files made here."""

from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from fewshot.config.semantic import SemanticSettings
from fewshot.errors import InputError
from fewshot.semantic.networks import build_network
from fewshot.semantic.weights import start_network

OWN, TIMM = "mobileone_s0", "tu-mobilenetv3_small_050"


def settings(**changes: Any) -> SemanticSettings:
    return SemanticSettings.model_validate({"encoder": TIMM, **changes})


def encoder_state(encoder: str) -> dict[str, torch.Tensor]:
    """An encoder's weights as its file on huggingface.co has them, but random."""
    torch.manual_seed(1)
    if encoder == OWN:
        return dict(smp.encoders.get_encoder(OWN, weights=None).state_dict())
    return dict(timm.create_model(encoder.removeprefix("tu-"), pretrained=False).state_dict())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encoder", [OWN, TIMM])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_an_encoders_weights_are_read_from_a_file(
    tmp_path: Path, encoder: str, channels: int, suffix: str
) -> None:
    state, path = encoder_state(encoder), tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(state, path)
    else:
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    network = start_network(settings(encoder=encoder, channels=channels, weights=str(path)))
    core: Any = network.core
    loaded = core.encoder.state_dict()
    prefix = "" if encoder == OWN else "model."
    shared = {name for name in state if prefix + name in loaded}
    assert len(shared) > 50
    fits = {name for name in shared if loaded[prefix + name].shape == state[name].shape}
    assert all(torch.equal(loaded[prefix + name], state[name]) for name in fits)
    # Only the first layer may differ in shape, and only for grey slices.
    assert (len(shared) - len(fits) > 0) == (channels == 1)


def test_the_folder_of_weights_is_looked_at_before_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(encoder_state(TIMM), tmp_path / f"{TIMM}.safetensors")
    monkeypatch.setenv("FEWSHOT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    start_network(settings(weights="auto"))


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (OWN, r"huggingface.co/smp-hub/mobileone_s0.*FEWSHOT_WEIGHTS.*weights: none"),
        (TIMM, r"huggingface.co/timm/mobilenetv3_small_050.*tu-mobilenetv3_small_050.safetensors"),
    ],
)
def test_weights_that_cannot_be_had_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoder: str, words: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("FEWSHOT_WEIGHTS", raising=False)
    with pytest.raises(InputError, match=words):
        start_network(settings(encoder=encoder, weights="auto"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable safetensors"),
        (b"\xff" * 100, "not a readable safetensors"),
        (None, "no such file"),
    ],
)
def test_a_broken_file_of_weights_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        start_network(settings(weights=str(path)))


@pytest.mark.parametrize("encoder", [OWN, TIMM])
def test_weights_of_another_encoder_are_refused(tmp_path: Path, encoder: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"layer": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="does not fit the encoder"):
        start_network(settings(encoder=encoder, weights=str(path)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": "resnet81"}, "unknown encoder; did you mean resnet"),
        ({"encoder": "tu-mobilnetv3_small_050"}, "did you mean tu-mobilenetv3_small_050"),
        ({"encoder": "vgg11", "network": "deeplabv3"}, "deeplabv3 cannot be built on vgg11"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build_network(settings(**changes))


def test_the_encoder_of_segmed_builds() -> None:
    network = build_network(settings(encoder="efficientnet-b5", network="unet", channels=3)).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
