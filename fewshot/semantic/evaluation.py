"""Evaluation on labelled slices: average precision, IoU and Dice of the foreground."""

from fewshot.masks.coco import SliceSet
from fewshot.metrics.average_precision import average_precision
from fewshot.metrics.contingency import ForegroundCounts
from fewshot.semantic.prediction import answers
from fewshot.training.model_folder import TrainedNetwork
from fewshot.training.task import Evaluation


def evaluate(model: TrainedNetwork, slices: SliceSet) -> Evaluation:
    """Return the scores of a network's regions, and of their union as foreground."""
    counts, predictions = ForegroundCounts(), {}
    truth = {record.image_id: slices.masks_of(record.image_id) for record in slices.records}
    for answer in answers(model, slices):
        image_id = answer.record.image_id
        predictions[image_id] = answer.masks(model.settings.regions, model.name)
        inside, found = (
            one[image_id].decode().max(axis=0, initial=False) for one in (truth, predictions)
        )
        counts += ForegroundCounts.of(inside, found)
    precision = average_precision(list(truth.values()), predictions)
    return Evaluation({**vars(precision), "iou": counts.iou, "dice": counts.dice}, predictions)
