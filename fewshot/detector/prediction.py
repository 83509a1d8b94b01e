"""Prediction of instance masks in batches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from detectron2.structures import Instances

from fewshot.config.tree import DetectorSettings, ViewSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.data import prediction_batches
from fewshot.detector.fusion import prepare_for_prediction
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import Advance, no_progress
from fewshot.training.devices import device_of
from fewshot.training.model_folder import TrainedNetwork, load_trained
from fewshot.training.precision import Precision
from fewshot.training.recovery import in_halves


def load_detector(folder: Path, device: str = "auto") -> TrainedNetwork:
    """Return the detector in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""
    trained = load_trained(
        folder,
        DetectorSettings,
        lambda settings: build_network(build_config(settings, device), settings.experimental.gafl),
    )
    return replace(trained, network=prepare_for_prediction(trained.network))


def predict_slices(
    detector: TrainedNetwork,
    slices: SliceSet,
    advance: Advance = no_progress,
    view: ViewSettings | None = None,
) -> Iterator[SliceMasks]:
    """Yield the predicted masks of each slice, in the slices' order, best score first.

    All masks with a score of at least 0.05 are kept, so that thresholds can be chosen later. Boxes
    and masks are in the slice's own pixels, for every view.
    """
    settings = detector.settings
    precision = Precision(settings.mixed_precision, device_of(detector.network))
    batches = prediction_batches(
        slices, settings.prediction_batch_size, settings.input_size, view, detector.preprocess
    )
    flipped = view is not None and view.flip
    done = 0
    for records, samples in batches:
        with torch.inference_mode(), precision.autocast():
            outputs = in_halves(detector.network, samples, detector.name)
        for record, output in zip(records, outputs, strict=True):
            masks = _to_masks(record, output["instances"], detector.name)
            yield masks.flipped() if flipped else masks
        done += len(records)
        advance(done, "")


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
