"""Detectron2's heads, extended by ignore regions and weights of instances in the losses.

Training instances may have two fields in addition to Detectron2's own:

* `gt_certain`, bool (instances,): an instance that is not certain is an *ignore region*. It is
  neither a target nor background, and contributes to no loss of proposals, boxes or masks.
* `gt_weight`, float32 (instances,): the weight of a certain instance in its losses.

Without these fields, and if all is certain with weight 1, the heads are Detectron2's.

Source: ignoring proposals that overlap an uncertain region is the idea of DropLoss (X. Wang,
R. Girdhar, S. X. Yu and I. Misra, Cut and learn, CVPR 2023).
"""

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY
from detectron2.modeling.proposal_generator.rpn import RPN
from detectron2.modeling.roi_heads import (
    ROI_HEADS_REGISTRY,
    ROI_MASK_HEAD_REGISTRY,
    MaskRCNNConvUpsampleHead,
    StandardROIHeads,
)
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import mask_rcnn_inference, mask_rcnn_loss
from detectron2.structures import BitMasks, Boxes, Instances, pairwise_iou
from torch import Tensor


def use_lenient_heads(config: CfgNode) -> None:
    """Replace Detectron2's standard heads by these in a configuration, in place.

    Other heads, such as cascades, are kept: they treat every instance as a label.
    """
    model = config.MODEL
    for part, standard, lenient in (
        (model.PROPOSAL_GENERATOR, "RPN", LenientRPN),
        (model.ROI_HEADS, "StandardROIHeads", LenientROIHeads),
        (model.ROI_MASK_HEAD, "MaskRCNNConvUpsampleHead", LenientMaskHead),
    ):
        if standard == part.NAME:
            part.NAME = lenient.__name__


@PROPOSAL_GENERATOR_REGISTRY.register()
class LenientRPN(RPN):  # type: ignore[misc]
    """A region proposal network whose loss ignores proposals of uncertain masks."""

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label anchors as Detectron2 does, then ignore negatives of uncertain boxes.

        These are the anchors that would not be negative if the uncertain box were a true one.
        """
        labels, boxes = super().label_and_sample_anchors(anchors, list(map(certain, gt_instances)))
        everywhere = Boxes.cat(anchors)
        for label, instances in zip(labels, gt_instances, strict=True):
            unsure = uncertain(instances)
            if len(unsure):
                _, claimed = self.anchor_matcher(pairwise_iou(unsure.gt_boxes, everywhere))
                label[(label == 0) & (claimed.to(label.device) != 0)] = -1
        return labels, boxes


@ROI_HEADS_REGISTRY.register()
class LenientROIHeads(StandardROIHeads):  # type: ignore[misc]
    """Box and mask heads that ignore proposals that match only an uncertain mask."""

    @classmethod
    def _init_box_head(cls, cfg: Any, input_shape: Any) -> dict[str, Any]:
        parts: dict[str, Any] = super()._init_box_head(cfg, input_shape)
        # The layers are Detectron2's, with their initial weights; only the losses are weighted.
        parts["box_predictor"].__class__ = WeightedOutputLayers
        return parts

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: list[Instances], targets: list[Instances]
    ) -> list[Instances]:
        """Drop proposals that match only an uncertain mask, then sample as Detectron2 does."""
        kept = [
            self._without_claimed(some, of) for some, of in zip(proposals, targets, strict=True)
        ]
        known = [_with_uncertain_pixels(of) for of in targets]
        sampled: list[Instances] = super().label_and_sample_proposals(kept, known)
        return sampled

    def _without_claimed(self, proposals: Instances, targets: Instances) -> Instances:
        unsure = uncertain(targets)
        if not len(unsure):
            return proposals
        boxes = proposals.proposal_boxes
        _, claimed = self.proposal_matcher(pairwise_iou(unsure.gt_boxes, boxes))
        _, matched = self.proposal_matcher(pairwise_iou(certain(targets).gt_boxes, boxes))
        return proposals[(claimed == 0) | (matched == 1)]


class WeightedOutputLayers(FastRCNNOutputLayers):  # type: ignore[misc]
    """Detectron2's box and class predictor, with proposals weighted by their instances."""

    def losses(
        self, predictions: tuple[Tensor, Tensor], proposals: list[Instances]
    ) -> dict[str, Tensor]:
        """Return Detectron2's losses, with weighted gradients."""
        weights = _weights(proposals, self.num_classes)
        if weights is not None:
            scores, deltas = predictions
            predictions = weigh(scores, weights[:, None]), weigh(deltas, weights[:, None])
        losses: dict[str, Tensor] = super().losses(predictions, proposals)
        return losses


@ROI_MASK_HEAD_REGISTRY.register()
class LenientMaskHead(MaskRCNNConvUpsampleHead):  # type: ignore[misc]
    """A mask head with weighted losses that ignore uncertain pixels."""

    def forward(self, x: Tensor, instances: list[Instances]) -> Any:
        """Return Detectron2's loss with weighted gradients in training; else the instances."""
        logits: Tensor = self.layers(x)
        if not self.training:
            mask_rcnn_inference(logits, instances)
            return instances
        weights = _pixel_weights(instances, logits.shape[-1])
        if weights is not None:
            logits = weigh(logits, weights[:, None])
        loss = mask_rcnn_loss(logits, instances, self.vis_period)
        return {"loss_mask": loss * self.loss_weight}


def weigh(values: Tensor, weights: Tensor) -> Tensor:
    """Return the same values, with gradients multiplied by the weights."""
    return values * weights + (values * (1 - weights)).detach()


def certain(instances: Instances) -> Instances:
    """Return the instances that are labels."""
    return instances[instances.gt_certain] if instances.has("gt_certain") else instances


def uncertain(instances: Instances) -> Instances:
    """Return the instances that are ignore regions."""
    return instances[~instances.gt_certain] if instances.has("gt_certain") else instances[:0]


def _with_uncertain_pixels(instances: Instances) -> Instances:
    """Return the labels, each with all uncertain pixels of the slice."""
    labels, unsure = certain(instances), uncertain(instances)
    if len(unsure) and len(labels):
        pixels = unsure.gt_masks.tensor.any(dim=0)
        labels.gt_uncertain = BitMasks(pixels.expand(len(labels), *pixels.shape))
    return labels


def _weights(proposals: list[Instances], background: int) -> Tensor | None:
    """Return the weight of each proposal, 1 for background; None if all are 1."""
    if not any(one.has("gt_weight") for one in proposals):
        return None
    parts = []
    for one in proposals:
        weight = torch.ones(len(one), device=one.proposal_boxes.device)
        if one.has("gt_weight"):
            weight = torch.where(one.gt_classes == background, weight, one.gt_weight)
        parts.append(weight)
    return torch.cat(parts)


def _pixel_weights(instances: list[Instances], side: int) -> Tensor | None:
    """Return (positives, side, side) weights of mask pixels; None if all are 1."""
    if not any(one.has("gt_weight") or one.has("gt_uncertain") for one in instances):
        return None
    parts = []
    for one in instances:
        weights = torch.ones(len(one), side, side, device=one.proposal_boxes.device)
        if one.has("gt_weight"):
            weights *= one.gt_weight[:, None, None]
        if one.has("gt_uncertain"):
            boxes = one.proposal_boxes.tensor
            own = one.gt_masks.crop_and_resize(boxes, side)
            weights *= own | ~one.gt_uncertain.crop_and_resize(boxes, side)
        parts.append(weights)
    return torch.cat(parts)
