"""Ignore regions and weights in Detectron2's own heads: what they forbid really has no gradient."""

from typing import Any

import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.heads import LenientMaskHead, LenientROIHeads, LenientRPN, weigh

SIZE = 128
LABEL, DOUBTFUL = (10.0, 10.0, 50.0, 50.0), (70.0, 70.0, 110.0, 110.0)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network(build_config(DetectorSettings())).train()


def known(*boxes: tuple[float, ...], certain: list[bool] | None = None) -> Instances:
    masks = torch.zeros(len(boxes), SIZE, SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = True
    instances = Instances((SIZE, SIZE))
    instances.gt_masks = BitMasks(masks)
    instances.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
    instances.gt_classes = torch.zeros(len(boxes), dtype=torch.int64)
    if certain is not None:
        instances.gt_certain = torch.tensor(certain, dtype=torch.bool)
    return instances


def negatives(network: Any, instances: Instances) -> Tensor:
    """Return the anchors that are held to be background in any of several samplings."""
    rpn = network.proposal_generator
    features = network.backbone(torch.zeros(1, 3, SIZE, SIZE))
    anchors = rpn.anchor_generator([features[name] for name in rpn.in_features])
    labels = [rpn.label_and_sample_anchors(anchors, [instances])[0][0] for _ in range(20)]
    chosen: Tensor = Boxes.cat(anchors).tensor[(torch.stack(labels) == 0).any(dim=0)]
    return chosen


def test_the_networks_have_these_heads(network: Any) -> None:
    assert isinstance(network.proposal_generator, LenientRPN)
    assert isinstance(network.roi_heads, LenientROIHeads)
    assert isinstance(network.roi_heads.mask_head, LenientMaskHead)


def test_no_anchor_on_an_uncertain_mask_is_a_negative(network: Any) -> None:
    def closest(instances: Instances) -> float:
        doubtful = Boxes(torch.tensor([DOUBTFUL]))
        overlap = pairwise_iou(doubtful, Boxes(negatives(network, instances)))
        return float(overlap.max())

    assert closest(known(LABEL)) > 0.3
    assert closest(known(LABEL, DOUBTFUL, certain=[True, False])) < 0.3
    assert closest(known(DOUBTFUL, certain=[False])) < 0.3


def test_no_proposal_on_an_uncertain_mask_reaches_the_heads(network: Any) -> None:
    proposals = Instances((SIZE, SIZE))
    near = torch.tensor([DOUBTFUL]) + torch.arange(-3.0, 3.0)[:, None]
    far = torch.tensor([[0.0, 70.0, 30.0, 110.0]])
    proposals.proposal_boxes = Boxes(torch.cat([near, far, torch.tensor([LABEL])]))
    proposals.objectness_logits = torch.zeros(len(proposals.proposal_boxes))

    def sampled(instances: Instances) -> Instances:
        with EventStorage():
            chosen = network.roi_heads.label_and_sample_proposals([proposals], [instances])
        return chosen[0]

    everything = sampled(known(LABEL))
    lenient = sampled(known(LABEL, DOUBTFUL, certain=[True, False]))
    assert len(everything) - len(lenient) == len(near)
    assert (lenient.gt_classes == 0).sum() == (everything.gt_classes == 0).sum() == 2
    overlap = pairwise_iou(lenient.proposal_boxes, Boxes(torch.tensor([DOUBTFUL])))
    assert overlap.max() < 0.5


def test_uncertain_pixels_give_the_mask_head_no_gradient(network: Any) -> None:
    head = network.roi_heads.mask_head
    instances = known(LABEL)
    instances.proposal_boxes = instances.gt_boxes
    unsure = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    unsure[0, 10:50, 40:50] = True  # the right quarter of the box
    instances.gt_masks.tensor[0, 10:50, 40:50] = False
    instances.gt_uncertain = BitMasks(unsure)
    gradient = _mask_gradient(head, instances)
    assert gradient[:, :20].abs().min() > 0
    assert gradient[:, 21:].abs().max() == 0


def test_a_label_stays_one_where_an_uncertain_mask_overlaps_it(network: Any) -> None:
    head = network.roi_heads.mask_head
    instances = known(LABEL)
    instances.proposal_boxes = instances.gt_boxes
    instances.gt_uncertain = BitMasks(torch.ones(1, SIZE, SIZE, dtype=torch.bool))
    assert _mask_gradient(head, instances).abs().min() > 0


def _mask_gradient(head: Any, instances: Instances) -> Tensor:
    """Return the loss's gradient by mask logit, shape (28, 28)."""
    grasped: list[Tensor] = []

    def grasp(_module: nn.Module, _input: Any, output: Tensor) -> None:
        output.retain_grad()
        grasped.append(output)

    handle = head.predictor.register_forward_hook(grasp)
    try:
        with EventStorage():
            head(torch.randn(1, 64, 14, 14), [instances])["loss_mask"].backward()
    finally:
        handle.remove()
    gradient = grasped[0].grad
    assert gradient is not None
    return gradient[0, 0]


def test_weights_scale_what_flows_back_and_nothing_else() -> None:
    values = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    weighed = weigh(values, torch.tensor([1.0, 0.25, 0.0]))
    torch.testing.assert_close(weighed, values)
    (weighed**2).sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([2.0, -1.0, 0.0]))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_mask_counts_by_its_weight_in_every_loss(network: Any, weight: float) -> None:
    """A proposal of a slice with one label: its gradient at weight w is w times that at 1."""

    def gradients(instances: Instances) -> list[Tensor]:
        instances.proposal_boxes = instances.gt_boxes
        scores = torch.tensor([[0.3, -0.2]], requires_grad=True)
        deltas = torch.tensor([[0.1, 0.2, -0.1, 0.3]], requires_grad=True)
        with EventStorage():
            losses = network.roi_heads.box_predictor.losses((scores, deltas), [instances])
        sum(losses.values()).backward()
        assert scores.grad is not None
        assert deltas.grad is not None
        return [scores.grad, deltas.grad, _mask_gradient(network.roi_heads.mask_head, instances)]

    torch.manual_seed(0)
    whole = gradients(known(LABEL))
    light = known(LABEL)
    light.gt_weight = torch.tensor([weight])
    torch.manual_seed(0)
    for full, part in zip(whole, gradients(light), strict=True):
        torch.testing.assert_close(part, weight * full)
        assert full.abs().max() > 0
