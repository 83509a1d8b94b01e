"""The stages as functions from files to files; each is also a command of its own.

Every function reads its inputs from the paths it is given, and leaves whole files or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from fewshot.config.tree import PredictionSettings
from fewshot.masks.coco import SliceSet, check_images, open_coco, write_masks
from fewshot.masks.merge import MergeRule, label_map_of, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.progress import no_progress, progress
from fewshot.radiologists.mask_source import refine_masks
from fewshot.submission.submission import write_submission

PLAINLY = PredictionSettings()


def predict(
    models: Sequence[Path],
    data: SliceSet,
    target: Path,
    settings: PredictionSettings = PLAINLY,
    device: str = "auto",
    weights: Mapping[str, float] | None = None,
    refine_with: Path | None = None,
) -> None:
    """Write the predicted masks of some slices as COCO with scores.

    Several models, or several views of one, vote, by `weights` or alike; the masks then bear the
    last model's name. The foreground of the model `refine_with`, where given, redraws them (see
    `radiologists.mask_source.refine_masks`); it takes one plain look.
    """
    from fewshot.models.ensemble import predict_together
    from fewshot.models.registry import load_model

    check_images(data)
    loaded = [load_model(model, device) for model in models]
    refiner = None if refine_with is None else load_model(refine_with, device)
    name = loaded[-1].name
    ordered = data.in_order()
    with progress(f"predicting {target.stem} with {name}", len(data)) as advance:
        masks = predict_together(loaded, ordered, name, weights, settings.tta, advance)
        if refiner is not None:
            masks = map(refine_masks, masks, refiner.predict(ordered, no_progress, None))
        write_masks(target, ordered, masks, f"predictions of {name}")


def merge(predictions: Path, rule: MergeRule, target: Path) -> None:
    """Write predictions without overlaps, as COCO: one mask a region of the merged label map."""
    stream = open_coco(predictions)
    merged = (
        SliceMasks.from_label_map(masks.image_id, merge_masks(masks, rule), "merged")
        for masks in stream.masks()
    )
    write_masks(target, stream.slices, merged, f"merged masks ({asdict(rule)})")


def submit(merged: Path, target: Path, form: str = "named") -> None:
    """Write merged masks as the challenge's submission CSV."""
    stream = open_coco(merged)
    names = [record.file_name for record in stream.slices.records]
    write_submission(target, names, map(label_map_of, stream.masks()), cast(Any, form))
