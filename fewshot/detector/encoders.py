"""A semantic network's encoder as the backbone of a detector.

Both are ResNets with equivalent layers under different names: torchvision's and Detectron2's. The
detector can thus start from a network that has also learnt from unlabelled slices.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

SEMANTIC_ENCODER = "core.encoder."  # of a semantic model's weights
_BOTTOM = "backbone.bottom_up."
_RENAMED = (
    (re.compile(r"^conv1\."), "stem.conv1."),
    (re.compile(r"^bn1\."), "stem.conv1.norm."),
    (re.compile(r"^layer(\d)\.(\d+)\.downsample\.0\."), r"res\1.\2.shortcut."),
    (re.compile(r"^layer(\d)\.(\d+)\.downsample\.1\."), r"res\1.\2.shortcut.norm."),
    (re.compile(r"^layer(\d)\.(\d+)\.bn(\d)\."), r"res\1.\2.conv\3.norm."),
    (re.compile(r"^layer(\d)\.(\d+)\.conv(\d)\."), r"res\1.\2.conv\3."),
)
_FIRST = "stem.conv1.weight"


def backbone_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a semantic model's ResNet encoder under the names of a Detectron2 backbone.

    If both normalise grey levels in the same way, as `tiny` and a network trained from scratch do,
    the backbone's features equal the encoder's. Layers that a Detectron2 ResNet does not have are
    left out.

    Args:
        weights: of a semantic model, by name; `core.encoder.…` are used.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not name.startswith(SEMANTIC_ENCODER):
            continue
        own = name.removeprefix(SEMANTIC_ENCODER)
        for pattern, replacement in _RENAMED:
            if pattern.match(own):
                renamed = _next_stage(pattern.sub(replacement, own))
                found[_BOTTOM + renamed] = _three_channels(value) if renamed == _FIRST else value
                break
    return found


def _next_stage(name: str) -> str:
    """Detectron2 counts the stem as the first stage: `layer1` is `res2`."""
    return re.sub(r"^res(\d)", lambda match: f"res{int(match[1]) + 1}", name)


def _three_channels(kernels: Tensor) -> Tensor:
    """Return the first kernels in order blue, green, red; grey ones are divided by three."""
    if kernels.shape[1] == 1:
        return kernels.expand(-1, 3, -1, -1) / 3
    return torch.flip(kernels, dims=(1,))
