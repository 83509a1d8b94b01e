"""The losses of fine-tuning, from logits in the slice's own pixels."""

from typing import Literal

import torch
from torch.nn import functional

MaskLoss = Literal["dice+ce", "dice+focal"]

_QUALITY_SHARE = 0.1
_FOCAL_POWER, _FOCAL_BALANCE, _FOCAL_SHARE = 2.0, 0.25, 20.0


def mask_losses(logits: torch.Tensor, truth: torch.Tensor, kind: MaskLoss) -> torch.Tensor:
    """Return the loss of each mask, (n, outputs): Dice plus a pixel-wise loss.

    Args:
        logits: (n, outputs, height, width).
        truth: float (n, height, width), 0 or 1.
        kind: `dice+ce` as MedSAM (J. Ma et al., Nature Communications 15, 2024), or `dice+focal`
            as SAM, focal 20 : Dice 1 (A. Kirillov et al., Segment Anything, ICCV 2023).
    """
    target = truth[:, None].expand_as(logits)
    by_pixel = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if kind == "dice+focal":
        chance = torch.sigmoid(logits)
        hit = chance * target + (1 - chance) * (1 - target)
        balance = _FOCAL_BALANCE * target + (1 - _FOCAL_BALANCE) * (1 - target)
        by_pixel = _FOCAL_SHARE * balance * (1 - hit) ** _FOCAL_POWER * by_pixel
    return _dice_losses(logits, target) + by_pixel.mean(dim=(2, 3))


def quality_losses(
    quality: torch.Tensor, logits: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """Return the squared error of the predicted IoU of each mask, (n, outputs), times 0.1.

    Without it, predicted IoUs, which thresholds use, would be those before fine-tuning.
    """
    with torch.no_grad():
        found, target = logits > 0, truth[:, None] > 0.5
        common = (found & target).sum(dim=(2, 3)).float()
        iou = common / (found | target).sum(dim=(2, 3)).clamp(min=1)
    return _QUALITY_SHARE * (quality - iou) ** 2


def _dice_losses(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    chance = torch.sigmoid(logits)
    common = (chance * target).sum(dim=(2, 3))
    total = chance.sum(dim=(2, 3)) + target.sum(dim=(2, 3))
    return 1 - (2 * common + 1) / (total + 1)
