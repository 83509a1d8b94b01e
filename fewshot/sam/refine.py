"""Refining predicted masks: each is used as a prompt, and may be replaced by the result."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fewshot.masks import rle as rle_codec
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import Advance, no_progress
from fewshot.sam.decoder import answer_masks
from fewshot.sam.embeddings import Embedder
from fewshot.sam.prompts import PromptKind, clipped, from_masks
from fewshot.sam.scores import overlap

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RefineRule:
    """When the network's mask replaces the mask that it was prompted with.

    Attributes:
        prompt: kind of prompt made from a mask.
        min_quality: minimum IoU that the network predicts.
        min_agreement: minimum IoU of new and old mask.
        max_growth: maximum ratio of their areas, either way.
    """

    prompt: PromptKind
    min_quality: float
    min_agreement: float
    max_growth: float


@dataclass(frozen=True, eq=False)
class Proposal:
    """A slice's masks, the network's mask for each, and its measures; one row per mask."""

    before: SliceMasks
    after: SliceMasks
    quality: Numbers
    agreement: Numbers
    growth: Numbers

    def accepted(self, rule: RefineRule) -> NDArray[np.bool_]:
        """Return which new masks a rule accepts; never an empty one."""
        good: NDArray[np.bool_] = (
            (self.quality >= rule.min_quality)
            & (self.agreement >= rule.min_agreement)
            & (self.agreement > 0)
            & (self.growth <= rule.max_growth)
            & (self.growth >= 1 / rule.max_growth)
        )
        return good

    def refined(self, rule: RefineRule | None) -> SliceMasks:
        """Return the masks with accepted new ones in their places; None accepts none.

        Scores, sources and order are unchanged.
        """
        if rule is None or not self.accepted(rule).any():
            return self.before
        taken = self.accepted(rule)
        rles = [
            self.after.rles[row] if taken[row] else self.before.rles[row]
            for row in range(len(taken))
        ]
        boxes = np.where(taken[:, None], self.after.boxes, self.before.boxes)
        return replace(self.before, boxes=boxes, rles=tuple(rles))


def propose(
    embedder: Embedder,
    predictions: SliceSet,
    kind: PromptKind,
    advance: Advance = no_progress,
) -> dict[int, Proposal]:
    """Return the network's masks for each slice's masks as prompts, by image id.

    Slices without masks are left out.
    """
    ids = [one.image_id for one in predictions.records if len(predictions.masks_of(one.image_id))]
    return {
        record.image_id: _proposal(embedder, features, predictions.masks_of(record.image_id), kind)
        for record, features in embedder.over(predictions.subset(ids), advance)
    }


def apply_rule(
    predictions: SliceSet, proposals: Mapping[int, Proposal], rule: RefineRule | None
) -> dict[int, SliceMasks]:
    """Return the masks of every slice after a rule, by image id."""
    return {
        record.image_id: proposals[record.image_id].refined(rule)
        if record.image_id in proposals
        else predictions.masks_of(record.image_id)
        for record in predictions.records
    }


def _proposal(
    embedder: Embedder, features: object, before: SliceMasks, kind: PromptKind
) -> Proposal:
    stack = before.decode()
    size = before.height, before.width
    prompts = from_masks(stack, clipped(before.boxes, *size), kind)
    masks, quality = answer_masks(embedder.model, features, prompts, size)  # type: ignore[arg-type]
    rles = tuple(rle_codec.encode_stack(masks))
    after = replace(before, boxes=rle_codec.boxes(rles), rles=rles)
    areas = np.maximum(before.areas(), 1)
    return Proposal(
        before=before,
        after=after,
        quality=quality.astype(np.float64),
        agreement=overlap(stack, masks)[0],
        growth=after.areas() / areas,
    )
