"""Refinement of soft labels and predictions with Segment Anything, if the settings ask for it."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.errors import InputError
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

if TYPE_CHECKING:
    from fewshot.sam.embeddings import Embedder

CHOICE = "refinement.json"


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stages that the settings ask for: of the soft labels, and one per model."""
    sam = layout.settings.sam
    soft_labels = [_refine_soft_labels(layout)] if sam.soft_labels else []
    models = layout.models if sam.predictions else []
    return [*soft_labels, *(_refine_predictions(layout, name) for name in models)]


def _refine_predictions(layout: RunLayout, name: str) -> Stage:
    """Return the stage between a model's predictions and their merge."""
    settings = layout.settings
    source, folder = layout.predictions(name), layout.answers(name)
    parts = [path.name for path in layout.predicted_parts(name)]
    threshold = settings.final.score_threshold

    def work() -> None:
        from fewshot.sam.refining import Refinement, refine

        what = Refinement(
            truth=layout.validation,
            predictions=[source / layout.validation.name],
            objective=settings.merge.metric,
            merge=settings.merge,
            score_threshold=None if threshold == "auto" else threshold,
        )
        targets = {source / part: folder / part for part in parts}
        refine(what, embedder_of(layout), targets, folder / CHOICE)

    return Stage(
        name=f"refine {name}",
        folder=folder,
        settings={"merge": settings.merge.model_dump(), "score_threshold": threshold},
        inputs=_inputs(layout, [layout.validation, *(source / part for part in parts)]),
        outputs=[folder / part for part in (*parts, CHOICE)],
        work=work,
    )


def _refine_soft_labels(layout: RunLayout) -> Stage:
    """Return the stage between soft labels and the final training.

    The refinement is chosen on the radiologists' validation predictions with scores no lower than
    those of the soft labels, by the overlap of single masks, since a model is to learn from them.
    """
    source, target = layout.soft_labels, layout.refined_soft_labels
    predictions = [
        layout.predictions(name) / layout.validation.name for name in layout.radiologists
    ]

    def work() -> None:
        from fewshot.masks.coco import read_coco
        from fewshot.sam.refining import Refinement, refine

        filled = [one for one in read_coco(source).masks.values() if len(one)]
        least = min((float(one.scores.min()) for one in filled), default=0.0)
        what = Refinement(
            truth=layout.validation,
            predictions=predictions,
            objective="overlap",
            least_scores=[least] * len(predictions),
        )
        refine(what, embedder_of(layout), {source: target}, target.parent / CHOICE)

    return Stage(
        name="refine soft labels",
        folder=target.parent,
        settings={},
        inputs=_inputs(layout, [source, layout.validation, *predictions]),
        outputs=[target, target.parent / CHOICE],
        work=work,
    )


def _inputs(layout: RunLayout, read: list[Path]) -> dict[str, Path]:
    return {"sam.checkpoint": _checkpoint(layout), **layout.files(read), **layout.images}


def _checkpoint(layout: RunLayout) -> Path:
    """Return the file, or raise `InputError` before any work starts."""
    from fewshot.sam.checkpoints import find_checkpoint

    try:
        return find_checkpoint(layout.settings.sam.checkpoint or "")
    except InputError as error:
        raise InputError(f"sam.{error}") from error


def embedder_of(layout: RunLayout) -> "Embedder":
    """Return what gives the embeddings of a run's slices, and keeps them in its folder."""
    from fewshot.sam.embeddings import Embedder
    from fewshot.sam.model import load_sam

    settings = layout.settings
    model = load_sam(str(_checkpoint(layout)), settings.device)
    return Embedder(
        model,
        layout.root / "embeddings",
        batch_size=settings.sam.batch_size,
        mixed_precision=settings.detector.mixed_precision,
    )
