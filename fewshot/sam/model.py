"""Segment Anything networks: building, safe loading, and saving in the original key layout."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import nn

from fewshot.errors import InputError
from fewshot.sam.attention import use_fused_attention
from fewshot.sam.checkpoints import TINY, find_checkpoint, recognise
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint
from fewshot.training.devices import resolve_device
from fewshot.training.model_folder import WEIGHTS
from fewshot.training.schema import check_weights, misfit

Weights = Mapping[str, torch.Tensor]

_PROMPT_DIM = 256
_TINY_SIDE, _TINY_PATCH, _TINY_DIM, _TINY_DEPTH = 256, 16, 192, 4
# Width and depth of the image encoder tell the architectures apart.
_LAYOUTS = {
    (768, 12): "vit_b",
    (1024, 24): "vit_l",
    (1280, 32): "vit_h",
    (_TINY_DIM, _TINY_DEPTH): TINY,
}
_PATCHES = "image_encoder.patch_embed.proj.weight"


@dataclass(frozen=True, eq=False)
class SamModel:
    """A Segment Anything network in evaluation mode.

    Attributes:
        network: the package's own `Sam`.
        layout: `vit_b`, `vit_l`, `vit_h` or `tiny`.
        name: of its masks and rows.
        device: `cpu` or `cuda`.
    """

    network: nn.Module
    layout: str
    name: str
    device: str

    @property
    def side(self) -> int:
        """The side of the image encoder's square input, pixels."""
        side: int = self.network.image_encoder.img_size  # type: ignore[assignment, union-attr]
        return side

    @property
    def grid(self) -> int:
        """The side of the embedding, in patches."""
        size: tuple[int, int] = self.network.prompt_encoder.image_embedding_size  # type: ignore[assignment, union-attr]
        return size[0]

    @cached_property
    def encoder_digest(self) -> str:
        """The SHA-256 of the image encoder's weights, on which embeddings depend.

        It does not change if only the decoder is fine-tuned, so that embeddings stay valid.
        """
        digest = hashlib.sha256()
        weights = self.network.image_encoder.state_dict()  # type: ignore[union-attr]
        for name in sorted(weights):
            digest.update(name.encode())
            digest.update(weights[name].detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def build_sam(layout: str, seed: int | None = None) -> nn.Module:
    """Return a network with random weights, the same for the same seed, in evaluation mode.

    `tiny` is made of the package's own classes with a small image encoder: 256 pixels, patches of
    16, four blocks of width 192 (two of them windowed), 2.6 million weights. The prompt encoder and
    the mask decoder are those of every SAM.
    """
    if seed is not None:
        torch.manual_seed(seed)
    if layout != TINY:
        network: nn.Module = sam_model_registry[layout]()
        return network.eval()
    grid = _TINY_SIDE // _TINY_PATCH
    network = Sam(
        image_encoder=ImageEncoderViT(
            depth=_TINY_DEPTH,
            embed_dim=_TINY_DIM,
            img_size=_TINY_SIDE,
            mlp_ratio=4,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            num_heads=6,
            patch_size=_TINY_PATCH,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=(1, 3),
            window_size=8,
            out_chans=_PROMPT_DIM,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=_PROMPT_DIM,
            image_embedding_size=(grid, grid),
            input_image_size=(_TINY_SIDE, _TINY_SIDE),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=_PROMPT_DIM, mlp_dim=2048, num_heads=8
            ),
            transformer_dim=_PROMPT_DIM,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )
    _let_like_places_attend(network)
    return network.eval()


def _let_like_places_attend(network: nn.Module) -> None:
    """Initialise key projections equal to query projections in attention of prompts and image.

    Both have the same positional encoding, so that a box's corner attends to its own position from
    the first step. Otherwise training on a few slices spends most of its time learning this.
    """
    with torch.no_grad():
        for name, part in network.named_modules():
            if name.endswith("q_proj") and ("cross_attn" in name or "final_attn" in name):
                keys = network.get_submodule(name.removesuffix("q_proj") + "k_proj")
                keys.load_state_dict(part.state_dict())


def load_sam(checkpoint: str, device: str = "auto", *, untrained: int | None = None) -> SamModel:
    """Return the network of a checkpoint, ready on a device.

    Args:
        checkpoint: a file, or the name of a published one (see `find_checkpoint`).
        device: `cpu`, `cuda` or `auto`.
        untrained: the seed of an untrained `tiny`, for its training; None to require a file.

    Raises:
        InputError: the file is missing, damaged, contains code, or is of another architecture.
    """
    where = resolve_device(device)
    if checkpoint == TINY and untrained is not None:
        network, layout, name = build_sam(TINY, untrained), TINY, TINY
    else:
        path = find_checkpoint(checkpoint)
        weights = read_weights(path)
        layout = layout_of(weights, path)
        network = build_sam(layout)
        _fill(network, weights, path, layout)
        known = recognise(path)
        name = known.name if known else path.parent.name if path.name == WEIGHTS else path.stem
    use_fused_attention(network)
    return SamModel(network.to(where).eval(), layout, name or layout, where)


def save_sam(path: Path, network: nn.Module) -> None:
    """Write a network with `segment_anything`'s keys, so that `sam_model_registry` loads it."""
    save_checkpoint(path, plain_weights(network))


def plain_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights by their names in `segment_anything`, on the CPU."""
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint, in the original form or as saved by MedSAM's training."""
    content: Any = load_checkpoint(path)
    if isinstance(content.get("model"), dict):
        content = content["model"]
    return check_weights(content, path)


def layout_of(weights: Weights, path: Path) -> str:
    """Return the architecture of weights; `InputError` if it is not one of SAM's."""
    patches = weights.get(_PATCHES)
    blocks = {name.split(".")[2] for name in weights if name.startswith("image_encoder.blocks.")}
    size = None if patches is None or patches.ndim != 4 else (len(patches), len(blocks))
    if size not in _LAYOUTS:
        found = "no image encoder" if size is None else f"{size[1]} blocks of width {size[0]}"
        raise InputError(
            f"{path}: is of another architecture ({found}); give a SAM of vit_b, vit_l, vit_h, "
            "MedSAM or tiny"
        )
    return _LAYOUTS[size]


def _fill(network: nn.Module, weights: Weights, path: Path, layout: str) -> None:
    problem = misfit(network, weights)
    if problem:
        raise InputError(f"{path}: is no {layout} of Segment Anything: it {problem}")
    network.load_state_dict(dict(weights))
