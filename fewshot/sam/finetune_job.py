"""What is fine-tuned, where it stands, and what tells one fine-tuning from another."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fewshot.config.sam import FinetuneSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.errors import InputError
from fewshot.files import sha256_file
from fewshot.masks.coco import SliceSet
from fewshot.sam.model import SamModel

CHECKPOINT = "checkpoint.pth"
WEIGHTS = "sam.pth"
CURVES = "training.jsonl"
DESCRIPTION = "model.json"
EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class FinetuneJob:
    """Everything that decides what a fine-tuning yields.

    Attributes:
        model: where it starts; its network is changed in place.
        train, validation: slices; those without masks are left out.
        settings, augmentation: how.
        embeddings: folder in which embeddings are kept when the decoder alone is trained.
    """

    model: SamModel
    train: SliceSet
    validation: SliceSet
    settings: FinetuneSettings
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    embeddings: Path | None = None


def check_folder(out: Path) -> None:
    """Raise `InputError` unless a fine-tuning can begin in a folder, or go on in it."""
    if (out / DESCRIPTION).exists():
        raise InputError(f"--out: {out} holds a fine-tuned network already; give another folder")
    ours = {CHECKPOINT, WEIGHTS, CURVES, EMBEDDINGS}
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - ours):
        raise InputError(f"--out {out}: holds something else; give another folder")


@dataclass(frozen=True)
class FinetuneState:
    """Where a fine-tuning stands: iterations done, and validation Dice at first and at best."""

    iteration: int = 0
    dice_before: float = 0.0
    best_dice: float = -1.0
    best_iteration: int = 0


def job_key(job: FinetuneJob) -> str:
    """A digest of all that decides the course of a fine-tuning."""
    digest = hashlib.sha256(job.model.encoder_digest.encode())
    for name, value in job.model.network.state_dict().items():
        if not name.startswith("image_encoder."):
            digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    parts: list[Any] = [job.settings.model_dump(exclude={"checkpoint_period"})]
    parts += [job.augmentation.model_dump() if job.settings.train == "all" else None]
    for slices in (job.train, job.validation):
        for record in slices.records:
            masks = slices.masks_of(record.image_id)
            image = sha256_file(slices.path_of(record)) if len(masks) else None
            parts += [record.image_id, image, masks.rles]
    digest.update(json.dumps(parts, sort_keys=True).encode())
    return digest.hexdigest()


def describe(job: FinetuneJob, state: FinetuneState) -> dict[str, Any]:
    """Return what a finished fine-tuning says of itself, as plain values."""
    return {
        "kind": "sam",
        "layout": job.model.layout,
        "start": job.model.name,
        "dice_before": state.dice_before,
        "dice_after": state.best_dice,
        "best_iteration": state.best_iteration,
        "settings": job.settings.model_dump(mode="json"),
    }
