"""Prediction: foreground and boundaries from the network, then regions made from them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from fewshot.config.semantic import RegionMethod, RegionSettings, SemanticSettings
from fewshot.config.tree import ViewSettings
from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import Advance, no_progress
from fewshot.semantic.data import prediction_batches
from fewshot.semantic.networks import build_network
from fewshot.semantic.regions import find_regions
from fewshot.training.devices import device_of, resolve_device
from fewshot.training.model_folder import TrainedNetwork, load_trained
from fewshot.training.precision import Precision
from fewshot.training.recovery import in_halves


def load_semantic(folder: Path, device: str = "auto") -> TrainedNetwork:
    """Return the network in a model folder, ready to predict on `cpu`, `cuda` or `auto`."""

    def build(settings: SemanticSettings) -> nn.Module:
        network = build_network(settings).to(resolve_device(device))
        return network.to(memory_format=torch.channels_last)

    return load_trained(folder, SemanticSettings, build)


def with_regions(model: TrainedNetwork, method: RegionMethod) -> TrainedNetwork:
    """Return the same network with another method for regions; `InputError` if impossible."""
    regions = model.settings.regions.model_copy(update={"method": method})
    values = {**model.settings.model_dump(), "regions": regions.model_dump()}
    try:
        return replace(model, settings=SemanticSettings.model_validate(values))
    except ValidationError as error:
        raise InputError(
            f"{model.name}: was trained without boundaries; use --regions components"
        ) from error


@dataclass(frozen=True)
class Answer:
    """A network's probabilities on a slice, float32 (outputs, height, width).

    Output 0 is foreground; output 1, if any, is boundaries.
    """

    record: SliceRecord
    probabilities: NDArray[np.float32]

    def regions(self, settings: RegionSettings) -> NDArray[np.int32]:
        """Return the label map of the slice's regions; see `regions.find_regions`."""
        boundary = self.probabilities[1] if len(self.probabilities) > 1 else None
        return find_regions(self.probabilities[0], boundary, settings)

    def masks(self, settings: RegionSettings, source: str) -> SliceMasks:
        """Return the regions as masks, best first; a mask's score is its mean probability."""
        return masks_of_regions(
            self.record.image_id, self.regions(settings), self.probabilities[0], source
        )


def predict_slices(
    model: TrainedNetwork,
    slices: SliceSet,
    advance: Advance = no_progress,
    view: ViewSettings | None = None,
) -> Iterator[SliceMasks]:
    """Yield the predicted masks of each slice, in the slices' order, best score first.

    Boxes and masks are in the slice's own pixels, for every view.
    """
    for answer in answers(model, slices, advance, view):
        yield answer.masks(model.settings.regions, model.name)


def answers(
    model: TrainedNetwork,
    slices: SliceSet,
    advance: Advance = no_progress,
    view: ViewSettings | None = None,
) -> Iterator[Answer]:
    """Yield the network's probabilities on each slice, in order and in the slice's own pixels."""
    settings, view = model.settings, view or ViewSettings()
    device = device_of(model.network)
    precision = Precision(settings.mixed_precision, device)
    done = 0
    batches = prediction_batches(
        slices, settings.prediction_batch_size, settings.channels, view, model.preprocess
    )

    def ask(images: list[Tensor]) -> list[Tensor]:
        batch = torch.stack(images).to(device, memory_format=torch.channels_last)
        return [*model.network(batch).float()]

    for records, images in batches:
        with torch.inference_mode(), precision.autocast():
            logits = torch.stack(in_halves(ask, images, model.name))
        logits = logits.flip(-1) if view.flip else logits
        size = (records[0].height, records[0].width)
        if logits.shape[-2:] != size:
            logits = functional.interpolate(logits, size, mode="bilinear", align_corners=False)
        found = logits.sigmoid().cpu().numpy()
        for record, probabilities in zip(records, found, strict=True):
            yield Answer(record, probabilities)
        done += len(records)
        advance(done, "")


def masks_of_regions(
    image_id: int,
    regions: NDArray[np.int32],
    foreground: NDArray[np.float32],
    source: str,
) -> SliceMasks:
    """Return the regions of a (height, width) label map as masks, best first.

    A mask's score is the mean of `foreground`, float32 (height, width) in 0–1, over its pixels.
    """
    count = int(regions.max(initial=0))
    flat = regions.reshape(-1)
    sums = np.bincount(flat, foreground.reshape(-1).astype(np.float64), count + 1)[1:]
    areas = np.bincount(flat, minlength=count + 1)[1:]
    scores = np.clip(sums / np.maximum(areas, 1), 0, 1).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = regions[None] == (order + 1)[:, None, None]
    return SliceMasks.from_stack(
        image_id, masks, scores[order], rle_codec.boxes(rle_codec.encode_stack(masks)), source
    )
