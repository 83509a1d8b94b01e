"""The mask decoder: all prompts of a slice at once, from its embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fewshot.sam import frames
from fewshot.sam.frames import Size
from fewshot.sam.model import SamModel
from fewshot.sam.prompts import Prompts

MASK_CERTAINTY = 6.0
"""The logit of pixels inside a mask prompt."""

Outputs = Literal["one", "three", "all"]

_SLICES: dict[Outputs, slice] = {"one": slice(0, 1), "three": slice(1, 4), "all": slice(0, 4)}
_ENLARGED_AT_ONCE = 16
_AT_ONCE = 64  # prompts per call; more would need memory and save no time


@dataclass(frozen=True, eq=False)
class Answer:
    """The decoder's masks of some prompts.

    `low`: float32 (n, outputs, 4 grid, 4 grid) logits; `quality`: float32 (n, outputs), the
    IoU that the network predicts for each mask.
    """

    low: torch.Tensor
    quality: torch.Tensor

    def best(self) -> "Answer":
        """Return one output per prompt, the one with the highest predicted quality."""
        rows = torch.arange(len(self.low), device=self.low.device)
        chosen = self.quality.argmax(dim=1)
        return Answer(self.low[rows, chosen][:, None], self.quality[rows, chosen][:, None])


def ask(
    model: SamModel,
    features: torch.Tensor,
    prompts: Prompts,
    size: Size,
    *,
    outputs: Outputs = "one",
) -> Answer:
    """Return the decoder's masks for prompts on one slice, 64 prompts per call.

    Args:
        model: the network; gradients flow if they are enabled outside.
        features: the slice's embedding, (256, grid, grid).
        prompts: in the slice's own pixels.
        size: height and width of the slice.
        outputs: `one` for clear prompts, `three` for ambiguous ones, or `all` four in that order.
    """
    if not len(prompts):
        side = 4 * model.grid
        count = len(range(4)[_SLICES[outputs]])
        empty = torch.zeros(0, count, side, side, device=model.device)
        return Answer(empty, empty[:, :, 0, 0])
    answers = [
        _ask(model, features, prompts.part(start, start + _AT_ONCE), size, outputs)
        for start in range(0, len(prompts), _AT_ONCE)
    ]
    low = torch.cat([low for low, _ in answers])
    return Answer(low, torch.cat([quality for _, quality in answers]))


def ask_once(model: SamModel, features: torch.Tensor, prompts: Prompts, size: Size) -> Answer:
    """Return one mask per prompt: the best of three for points only, else the clear one."""
    if prompts.only_points:
        return ask(model, features, prompts, size, outputs="three").best()
    return ask(model, features, prompts, size)


def answer_masks(
    model: SamModel, features: torch.Tensor, prompts: Prompts, size: Size
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return the masks of prompts, bool (n, height, width), and their quality, (n,).

    A prompt of only points is ambiguous: the best of its three masks is taken, by quality.
    """
    with torch.inference_mode():
        answer = ask_once(model, features, prompts, size)
        masks = to_masks(model, answer.low, size)[:, 0]
    quality: NDArray[np.float32] = answer.quality[:, 0].float().cpu().numpy()
    return masks, np.clip(quality, 0, 1)


def to_masks(model: SamModel, low: torch.Tensor, size: Size) -> NDArray[np.bool_]:
    """Return logits as masks in the slice's own pixels, bool (n, outputs, height, width)."""
    parts = [
        (frames.to_slice(model, part.float(), size) > 0).cpu().numpy() for part in in_parts(low)
    ]
    masks: NDArray[np.bool_] = np.concatenate(parts)
    return masks


def in_parts(low: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return logits in parts that can be enlarged to the encoder's square without much memory."""
    parts: Sequence[torch.Tensor] = low.split(_ENLARGED_AT_ONCE)
    return parts


def _ask(
    model: SamModel, features: torch.Tensor, prompts: Prompts, size: Size, outputs: Outputs
) -> tuple[torch.Tensor, torch.Tensor]:
    network: Any = model.network
    sparse, dense = encode_prompts(model, prompts, size)
    low, quality = network.mask_decoder.predict_masks(
        image_embeddings=features[None].to(model.device, torch.float32),
        image_pe=network.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    wanted = _SLICES[outputs]
    return low[:, wanted].float(), quality[:, wanted].float()


def encode_prompts(
    model: SamModel, prompts: Prompts, size: Size
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the prompt encoder's sparse and dense embeddings of prompts."""
    network: Any = model.network
    boxes = points = masks = None
    if prompts.boxes is not None:
        corners = torch.from_numpy(prompts.boxes).to(model.device).reshape(-1, 2, 2)
        boxes = frames.to_frame(model, corners, size).reshape(-1, 4)
    if prompts.points is not None and prompts.labels is not None:
        coordinates = torch.from_numpy(prompts.points).to(model.device)
        labels = torch.from_numpy(prompts.labels).to(model.device)
        points = frames.to_frame(model, coordinates, size), labels
    if prompts.masks is not None:
        masks = frames.mask_inputs(model, prompts.masks, MASK_CERTAINTY)
    sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return sparse, dense
