"""The same slices and prompts through several networks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.sam.decoder import answer_masks
from fewshot.sam.embeddings import Embedder
from fewshot.sam.scores import StructureScore, mean_dice, mean_iou, score_structures
from fewshot.sam.study_prompts import StudyPrompt


@dataclass(frozen=True, eq=False)
class ModelAnswers:
    """The masks of one network by image id, and the scores of all structures."""

    name: str
    masks: Mapping[int, SliceMasks]
    scores: Sequence[StructureScore]

    def summary(self) -> dict[str, Any]:
        """Return the number of structures, and mean IoU and Dice over them."""
        return {
            "model": self.name,
            "structures": len(self.scores),
            "iou": mean_iou(self.scores),
            "dice": mean_dice(self.scores),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per structure."""
        return [{"model": self.name, **asdict(one)} for one in self.scores]


def answers_of(embedder: Embedder, slices: SliceSet, prompt: StudyPrompt) -> ModelAnswers:
    """Return a network's masks for a kind of prompt on all labelled slices."""
    name = embedder.model.name
    masks: dict[int, SliceMasks] = {}
    scores: list[StructureScore] = []
    for record, features in embedder.over(slices):
        task = prompt.task(slices.masks_of(record.image_id).decode())
        size = record.height, record.width
        found, quality = answer_masks(embedder.model, features, task.prompts, size)
        masks[record.image_id] = _as_slice_masks(record.image_id, found, quality, name)
        scores += score_structures(record.file_name, task.truth, found, quality)
    return ModelAnswers(name, masks, scores)


def _as_slice_masks(
    image_id: int, masks: NDArray[np.bool_], quality: NDArray[np.float32], name: str
) -> SliceMasks:
    from fewshot.masks import rle as rle_codec

    boxes = rle_codec.boxes(rle_codec.encode_stack(masks))
    return SliceMasks.from_stack(image_id, masks, quality, boxes, name)
