"""Conversion between a slice's pixels and the image encoder's square input."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.utils.transforms import ResizeLongestSide
from torch.nn import functional

from fewshot.sam.model import SamModel

Size = tuple[int, int]  # height, width


def to_inputs(model: SamModel, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Return grey slices as the encoder's input, float32 (slices, 3, side, side).

    The longer side is resized to the encoder's, grey goes into all three channels, values are
    normalised and the shorter side is padded below or on the right: as `SamPredictor` does.
    """
    network: Any = model.network
    transform = ResizeLongestSide(model.side)
    squares = []
    for image in images:
        pixels = transform.apply_image(np.repeat(image[:, :, None], 3, axis=2))
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(model.device)
        squares.append(network.preprocess(tensor.permute(2, 0, 1)))
    return torch.stack(squares)


def input_size(model: SamModel, size: Size) -> Size:
    """Return the (height, width) of a slice inside the encoder's square."""
    shape: Size = ResizeLongestSide.get_preprocess_shape(*size, model.side)
    return shape


def to_frame(model: SamModel, coordinates: torch.Tensor, size: Size) -> torch.Tensor:
    """Return x, y in a slice's pixels, (..., 2), as x, y in the encoder's square."""
    height, width = input_size(model, size)
    scale = torch.tensor([width / size[1], height / size[0]], dtype=torch.float64)
    return (coordinates.double() * scale.to(coordinates.device)).float()


def to_slice(model: SamModel, logits: torch.Tensor, size: Size) -> torch.Tensor:
    """Return the decoder's masks, (prompts, outputs, 4 grid, 4 grid), in the slice's own pixels."""
    network: Any = model.network
    masks: torch.Tensor = network.postprocess_masks(logits, input_size(model, size), size)
    return masks


def mask_inputs(model: SamModel, masks: NDArray[np.bool_], certainty: float) -> torch.Tensor:
    """Return masks of a slice, (n, height, width), as input of the prompt encoder.

    That is (n, 1, 4 grid, 4 grid) logits, from -`certainty` outside to +`certainty` inside, in
    proportion to the covered part of a cell.
    """
    size = masks.shape[1:]
    height, width = input_size(model, (size[0], size[1]))
    tensor = torch.from_numpy(np.ascontiguousarray(masks)).float().to(model.device)[:, None]
    large = functional.interpolate(tensor, (height, width), mode="bilinear", align_corners=False)
    square = functional.pad(large, (0, model.side - width, 0, model.side - height))
    cells = functional.adaptive_avg_pool2d(square, 4 * model.grid)
    return certainty * (2 * cells - 1)
