"""Ensembles and test-time augmentation: several models or views vote on each slice."""

from collections.abc import Iterator, Mapping, Sequence

from fewshot.config.tree import ViewSettings
from fewshot.masks.coco import SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.vote import Vote, vote
from fewshot.models.interface import Model
from fewshot.progress import Advance, no_progress

PLAIN = (ViewSettings(),)


def predict_together(
    models: Sequence[Model],
    slices: SliceSet,
    source: str,
    weights: Mapping[str, float] | None = None,
    views: Sequence[ViewSettings] = PLAIN,
    advance: Advance = no_progress,
) -> Iterator[SliceMasks]:
    """Yield the ensemble's masks of each slice, in the slices' order.

    Each model predicts each view, and all predictions vote (see `masks.vote`). A single model with
    a single view keeps its own masks and scores.

    Args:
        models: at least one, with different names.
        slices: to predict.
        source: source of voted masks.
        weights: model's name → weight of its votes; equal by default. Models of weight 0 do not
            vote, unless all have 0.
        views: of test-time augmentation.
        advance: called with the number of finished slices.
    """
    if len(models) == 1 and len(views) == 1:
        yield from models[0].predict(slices, advance, views[0])
        return
    trusted = _votes(models, weights)
    predictions = [
        (weight, model.predict(slices, no_progress, view))
        for model, weight in trusted
        for view in views
    ]
    for done in range(1, len(slices) + 1):
        yield vote([Vote(next(masks), weight) for weight, masks in predictions], source)
        advance(done, "")


def _votes(
    models: Sequence[Model], weights: Mapping[str, float] | None
) -> list[tuple[Model, float]]:
    weighted = [(one, 1.0 if weights is None else weights[one.name]) for one in models]
    trusted = [(one, weight) for one, weight in weighted if weight > 0]
    return trusted or [(one, 1.0) for one in models]
