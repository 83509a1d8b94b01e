"""Models that answer together: voters, ways of looking at a slice, and what refines the masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fewshot.config.tree import ViewSettings
from fewshot.masks.coco import SliceSet, write_masks
from fewshot.models.ensemble import PLAIN, predict_together
from fewshot.models.interface import Model
from fewshot.models.registry import load_model
from fewshot.progress import no_progress, progress
from fewshot.radiologists.mask_source import refine_masks


@dataclass(frozen=True)
class Predictor:
    """Loaded models that predict the masks of slices.

    Attributes:
        models: the voters; the masks carry the last one's name.
        refiner: a model whose foreground refines the masks; it sees each slice as it is.
        views: ways of looking at a slice (test-time augmentation).
        weights: model's name → weight of its votes; equal without.
    """

    models: Sequence[Model]
    refiner: Model | None = None
    views: Sequence[ViewSettings] = PLAIN
    weights: Mapping[str, float] | None = None

    @classmethod
    def load(
        cls,
        models: Sequence[Path],
        refiner: Path | None,
        views: Sequence[ViewSettings],
        device: str,
        weights: Mapping[str, float] | None = None,
    ) -> Self:
        """Load the models in folders; `InputError` when one holds none."""
        loaded = [load_model(model, device) for model in models]
        refined = None if refiner is None else load_model(refiner, device)
        return cls(loaded, refined, views, weights)

    @property
    def name(self) -> str:
        """What the masks say of where they come from."""
        return self.models[-1].name

    def write(self, slices: SliceSet, target: Path) -> None:
        """Write the masks of slices as COCO with scores, in order of image id."""
        ordered = slices.in_order()
        with progress(f"predicting {target.stem} with {self.name}", len(slices)) as advance:
            masks = predict_together(
                self.models, ordered, self.name, self.weights, self.views, advance
            )
            if self.refiner is not None:
                foreground = self.refiner.predict(ordered, no_progress, None)
                masks = map(refine_masks, masks, foreground)
            write_masks(target, ordered, masks, f"predictions of {self.name}")
