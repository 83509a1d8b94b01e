"""Predicting instance masks, in batches straight through the network."""

from collections.abc import Iterator

import torch
from detectron2.structures import Instances

from fewshot.config.tree import ViewSettings
from fewshot.detector.data import Sample, prediction_batches
from fewshot.detector.model import Detector
from fewshot.errors import FewshotError
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import Advance, no_progress, warn
from fewshot.training.devices import resolve_device
from fewshot.training.precision import Precision


def predict_slices(
    detector: Detector,
    slices: SliceSet,
    advance: Advance = no_progress,
    view: ViewSettings | None = None,
) -> Iterator[SliceMasks]:
    """Yield the predicted masks of each slice, in the slices' order, best score first.

    All masks with a score of at least 0.05 are kept, so that thresholds can be chosen later. Boxes
    and masks are in the slice's own pixels, whatever the view the detector is given of it.
    """
    settings = detector.settings
    precision = Precision(settings.mixed_precision, resolve_device(settings.device))
    batches = prediction_batches(
        slices, settings.prediction_batch_size, settings.input_size, view, detector.preprocess
    )
    flipped = view is not None and view.flip
    done = 0
    for records, samples in batches:
        with torch.inference_mode(), precision.autocast():
            outputs = _answers(detector, samples)
        for record, output in zip(records, outputs, strict=True):
            masks = _to_masks(record, output["instances"], detector.name)
            yield masks.flipped() if flipped else masks
        done += len(records)
        advance(done, "")


def _answers(detector: Detector, samples: list[Sample]) -> list[dict[str, Instances]]:
    """Ask the network; a batch for which the memory does not suffice is asked in halves."""
    try:
        answers: list[dict[str, Instances]] = detector.network(samples)
        return answers
    except torch.OutOfMemoryError as error:
        if len(samples) == 1:
            raise FewshotError(
                f"{detector.name}: the memory does not suffice to predict one slice; use a smaller "
                "detector.input_size, or --device cpu"
            ) from error
    torch.cuda.empty_cache()
    half = (len(samples) + 1) // 2
    warn(f"{detector.name}: out of memory; {len(samples)} slices are predicted {half} at a time")
    return _answers(detector, samples[:half]) + _answers(detector, samples[half:])


def _to_masks(record: SliceRecord, instances: Instances, source: str) -> SliceMasks:
    masks = instances.pred_masks
    kept = masks.flatten(1).any(dim=1)
    return SliceMasks.from_stack(
        record.image_id,
        masks[kept].cpu().numpy(),
        instances.scores[kept].float().cpu().numpy(),
        instances.pred_boxes.tensor[kept].float().cpu().numpy(),
        source,
    )
