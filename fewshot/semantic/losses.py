"""Losses of foreground and boundary logits against binary targets."""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor
from torch.nn import functional

LossName = Literal["dice_bce", "focal", "dice_focal"]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_FOCUS = 2.0
_SMOOTH = 1.0  # pixels, so that an empty target has a Dice loss too


def dice_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return one minus the soft Dice coefficient, a mean over outputs, a scalar.

    Args:
        logits: (n, outputs, height, width).
        targets: of the same shape, 0 or 1.
        weights: (n, 1, height, width), of pixels; 0 ignores a pixel.

    Source: F. Milletari, N. Navab and S.-A. Ahmadi, V-Net, 3DV 2016, over the pixels of the batch.
    """
    inside = logits.float().sigmoid()
    pixels = (0, 2, 3)
    common = (weights * inside * targets).sum(pixels)
    both = (weights * (inside + targets)).sum(pixels)
    return 1 - ((2 * common + _SMOOTH) / (both + _SMOOTH)).mean()


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the binary cross-entropy, a mean over weighted pixels and outputs; see `dice_loss`."""
    each = functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
    return _weighted_mean(each, weights)


def focal_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the focal loss with γ = 2, a mean over weighted pixels and outputs; see `dice_loss`.

    Source: T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, without its α.
    """
    logits = logits.float()
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    inside = logits.sigmoid()
    missed = targets * (1 - inside) + (1 - targets) * inside
    return _weighted_mean(missed.pow(_FOCUS) * each, weights)


def _weighted_mean(each: Tensor, weights: Tensor) -> Tensor:
    return (weights * each).sum() / (weights.sum() * each.shape[1]).clamp_min(1.0)


# The parts of each loss, by the names they have in the learning curves.
LOSSES: Mapping[LossName, Mapping[str, Loss]] = {
    "dice_bce": {"loss_dice": dice_loss, "loss_bce": cross_entropy},
    "focal": {"loss_focal": focal_loss},
    "dice_focal": {"loss_dice": dice_loss, "loss_focal": focal_loss},
}
