import numpy as np
import pytest
import torch
from torch.nn import functional

from fewshot.sam.losses import mask_losses, quality_losses
from fewshot.sam.scores import overlap

TRUTH = torch.zeros(1, 8, 8)
TRUTH[0, 2:6, 2:6] = 1


@pytest.mark.parametrize("kind", ["dice+ce", "dice+focal"])
def test_a_sure_right_answer_costs_nothing_and_a_wrong_one_much(kind: str) -> None:
    right = mask_losses((40 * TRUTH - 20)[:, None], TRUTH, kind)  # type: ignore[arg-type]
    wrong = mask_losses((20 - 40 * TRUTH)[:, None], TRUTH, kind)  # type: ignore[arg-type]
    assert right.shape == (1, 1)
    assert float(right) < 1e-3
    assert float(wrong) > 1.9


def test_dice_and_cross_entropy_by_their_formulas() -> None:
    logits = torch.randn(1, 3, 8, 8)
    losses = mask_losses(logits, TRUTH, "dice+ce")
    for output in range(3):
        chance = torch.sigmoid(logits[0, output])
        dice = 1 - (2 * (chance * TRUTH[0]).sum() + 1) / (chance.sum() + TRUTH.sum() + 1)
        entropy = functional.binary_cross_entropy(chance, TRUTH[0])
        assert float(losses[0, output]) == pytest.approx(float(dice + entropy), rel=1e-5)


def test_the_focal_loss_is_torchvisions() -> None:
    from torchvision.ops import sigmoid_focal_loss

    logits = torch.randn(1, 1, 8, 8)
    chance = torch.sigmoid(logits)
    dice = 1 - (2 * (chance * TRUTH[None]).sum() + 1) / (chance.sum() + TRUTH.sum() + 1)
    focal = sigmoid_focal_loss(logits, TRUTH[None], alpha=0.25, gamma=2, reduction="mean")
    losses = mask_losses(logits, TRUTH, "dice+focal")
    assert float(losses) == pytest.approx(float(dice + 20 * focal), rel=1e-5)


def test_the_guessed_quality_is_held_to_the_iou() -> None:
    logits = torch.full((1, 1, 8, 8), -1.0)
    logits[0, 0, 2:6, 2:4] = 1  # half of the truth: IoU 0.5
    assert float(quality_losses(torch.tensor([[0.5]]), logits, TRUTH)) == 0
    assert float(quality_losses(torch.tensor([[0.9]]), logits, TRUTH)) == pytest.approx(0.016)


def test_overlap_of_pairs() -> None:
    truth, masks = np.zeros((3, 4, 4), dtype=bool), np.zeros((3, 4, 4), dtype=bool)
    truth[0, :2], masks[0, 1:3] = True, True
    masks[1, 0, 0] = True
    iou, dice = overlap(truth, masks)
    assert iou.tolist() == [pytest.approx(1 / 3), 0, 1]
    assert dice.tolist() == [0.5, 0, 1]
