"""What labelled slices say of a network: average precision, IoU and Dice of its foreground."""

from dataclasses import dataclass

from fewshot.masks.coco import SliceSet
from fewshot.metrics.average_precision import AveragePrecision, average_precision
from fewshot.metrics.foreground import ForegroundCounts
from fewshot.semantic.model import SemanticModel
from fewshot.semantic.prediction import answers


@dataclass(frozen=True)
class Evaluation:
    """Average precision of the regions, and the foreground counts over all slices."""

    precision: AveragePrecision
    foreground: ForegroundCounts

    def curve(self) -> dict[str, float]:
        """Return the figures as the learning curves name them."""
        precision = {f"validation/{key}": value for key, value in vars(self.precision).items()}
        return {**precision, **{f"validation/{key}": value for key, value in self.facts().items()}}

    def facts(self) -> dict[str, float]:
        """Return IoU and Dice of the foreground."""
        return {"iou": self.foreground.iou, "dice": self.foreground.dice}


def evaluate(model: SemanticModel, slices: SliceSet) -> Evaluation:
    """Return how well a network finds the foreground and the regions of labelled slices.

    Foreground is what its regions cover.
    """
    counts, predictions = ForegroundCounts(), {}
    truth = {record.image_id: slices.masks_of(record.image_id) for record in slices.records}
    for answer in answers(model, slices):
        image_id = answer.record.image_id
        predictions[image_id] = answer.masks(model.settings.regions, model.name)
        inside, found = (
            one[image_id].decode().max(axis=0, initial=False) for one in (truth, predictions)
        )
        counts += ForegroundCounts.of(inside, found)
    return Evaluation(average_precision(list(truth.values()), predictions), counts)
