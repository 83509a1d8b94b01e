"""A semantic network's encoder as a detector's backbone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.encoders import backbone_weights
from fewshot.detector.weights import load_initial_weights
from fewshot.errors import InputError
from fewshot.semantic import networks
from fewshot.training.checkpoints import save_checkpoint

STAGES = ("res2", "res3", "res4", "res5")


def _network(encoder: str = "resnet18", channels: int = 1) -> networks.SemanticNetwork:
    torch.manual_seed(3)
    settings = SemanticSettings.model_validate({"encoder": encoder, "channels": channels})
    network = networks.build_network(settings)
    for name, value in network.state_dict().items():
        # Unlike a new network's, so that running means and variances show as well.
        if "running" in name:
            value += 0.1 * torch.rand_like(value)
    return network.eval()


def _detector() -> Any:
    return build_network(build_config(DetectorSettings())).eval()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_backbone_sees_what_the_encoder_saw(tmp_path: Path, channels: int) -> None:
    semantic, detector = _network(channels=channels), _detector()
    save_checkpoint(tmp_path / "model.pth", {"model": semantic.state_dict()})
    load_initial_weights(detector, tmp_path / "model.pth")
    rgb = 255 * torch.rand(2, 3, 64, 96)
    seen = rgb[:, :1] if channels == 1 else rgb
    shown = seen.expand(-1, 3, -1, -1) if channels == 1 else rgb.flip(1)  # blue, green, red
    with torch.no_grad():
        core: Any = semantic.core
        wanted = core.encoder((seen - semantic.mean) / semantic.spread)[2:]
        found = detector.backbone.bottom_up((shown - 64) / 64)
    for stage, features in zip(STAGES, wanted, strict=True):
        torch.testing.assert_close(found[stage], features, rtol=1e-4, atol=1e-4)


def test_every_layer_of_the_backbone_is_set_and_no_other(tmp_path: Path) -> None:
    semantic, detector = _network(), _detector()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    weights = backbone_weights(semantic.state_dict())
    below = {name for name in before if name.startswith("backbone.bottom_up.")}
    assert set(weights) == below
    save_checkpoint(tmp_path / "model.pth", {"model": semantic.state_dict()})
    load_initial_weights(detector, tmp_path / "model.pth")
    after = detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in set(before) - below)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    network = _network("tu-mobilenetv3_small_050")
    save_checkpoint(tmp_path / "model.pth", {"model": network.state_dict()})
    with pytest.raises(InputError, match="no layer fits the architecture"):
        load_initial_weights(_detector(), tmp_path / "model.pth")
