"""The image encoder's attention as one fused call."""

from typing import Any

import torch
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch import nn
from torch.nn import functional


class FusedAttention(Attention):  # type: ignore[misc]
    """The package's attention by `scaled_dot_product_attention`, with the same weights and results.

    Relative positions become the additive mask of the fused call, so that scores and softmax,
    (heads, tokens, tokens) each, are never stored.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return attended features; `x` is (batch, height, width, channels)."""
        batch, height, width, _ = x.shape
        tokens = height * width
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self._positions(query, height, width) if self.use_rel_pos else None
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = mixed.transpose(1, 2).reshape(batch, height, width, -1)
        result: torch.Tensor = self.proj(mixed)
        return result

    def _positions(self, query: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return the bias of relative rows and columns, (batch, heads, tokens, tokens)."""
        batch, heads, tokens, channels = query.shape
        grid = query.reshape(batch * heads, height, width, channels)
        rows = get_rel_pos(height, height, self.rel_pos_h)
        columns = get_rel_pos(width, width, self.rel_pos_w)
        by_row = torch.einsum("bhwc,hkc->bhwk", grid, rows)
        by_column = torch.einsum("bhwc,wkc->bhwk", grid, columns)
        bias = by_row[..., :, None] + by_column[..., None, :]
        return bias.reshape(batch, heads, tokens, tokens).to(query.dtype)


def use_fused_attention(network: nn.Module) -> None:
    """Replace the attention of a SAM's image encoder by the fused one, keeping its weights."""
    blocks: Any = network.image_encoder.blocks  # type: ignore[union-attr]
    for block in blocks:
        block.attn.__class__ = FusedAttention
