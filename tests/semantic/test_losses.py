"""Losses against segmentation-models-pytorch's and by hand; ignored pixels do not count."""

import pytest
import segmentation_models_pytorch as smp
import torch

from fewshot.semantic.losses import LOSSES, LossName, cross_entropy, dice_loss, focal_loss


def case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 1, 64, 64, generator=chance)
    targets = (torch.rand(2, 1, 64, 64, generator=chance) < 0.3).float()
    return logits, targets, torch.ones(2, 1, 64, 64)


def test_dice_agrees_with_the_packages_own() -> None:
    logits, targets, weights = case()
    theirs = smp.losses.DiceLoss("binary", smooth=1.0)(logits, targets)
    assert float(dice_loss(logits, targets, weights)) == pytest.approx(float(theirs), abs=1e-3)


def test_focal_agrees_with_the_packages_own() -> None:
    logits, targets, weights = case()
    theirs = smp.losses.FocalLoss("binary", gamma=2.0)(logits, targets)
    assert float(focal_loss(logits, targets, weights)) == pytest.approx(float(theirs), rel=1e-5)


def test_cross_entropy_agrees_with_torchs_own() -> None:
    logits, targets, weights = case()
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert float(cross_entropy(logits, targets, weights)) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("name", list(LOSSES))
def test_pixels_of_weight_zero_do_not_count(name: LossName) -> None:
    logits, targets, weights = case()
    weights[:, :, :20] = 0
    flipped = targets.clone()
    flipped[:, :, :20] = 1 - flipped[:, :, :20]
    for loss in LOSSES[name].values():
        assert torch.equal(loss(logits, targets, weights), loss(logits, flipped, weights))


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_right_answer_costs_less_than_a_wrong_one(name: LossName) -> None:
    _, targets, weights = case()
    right, wrong = 20 * (targets - 0.5), -20 * (targets - 0.5)
    for loss in LOSSES[name].values():
        assert loss(right, targets, weights) < 0.01 < loss(wrong, targets, weights)


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_batch_in_which_nothing_counts_has_a_gradient_of_zero(name: LossName) -> None:
    logits, targets, weights = case()
    logits.requires_grad_()
    parts = [loss(logits, targets, 0 * weights) for loss in LOSSES[name].values()]
    torch.stack(parts).sum().backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()
