"""Several models, or several views of one, that vote on each slice."""

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
    """Yield the masks that models agree on of each slice, in the slices' order.

    Every model looks at every view, and each look is a ballot (see `masks.vote`). One model with
    one view needs no vote: its masks and scores are its own.

    Args:
        models: at least one, each of a name of its own.
        slices: to predict.
        source: what voted masks say of where they come from.
        weights: model's name → weight of its votes; equal without. A model of weight 0 has no
            vote, unless all have 0.
        views: ways of looking at a slice.
        advance: called with the number of slices done.
    """
    if len(models) == 1 and len(views) == 1:
        yield from models[0].predict(slices, advance, views[0])
        return
    trusted = _votes(models, weights)
    looks = [
        (weight, model.predict(slices, no_progress, view))
        for model, weight in trusted
        for view in views
    ]
    for done in range(1, len(slices) + 1):
        yield vote([Vote(next(masks), weight) for weight, masks in looks], source)
        advance(done, "")


def _votes(
    models: Sequence[Model], weights: Mapping[str, float] | None
) -> list[tuple[Model, float]]:
    weighed = [(one, 1.0 if weights is None else weights[one.name]) for one in models]
    trusted = [(one, weight) for one, weight in weighed if weight > 0]
    return trusted or [(one, 1.0) for one in models]
