"""The stages that Segment Anything adds to a run: refining soft labels, and predictions."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.errors import InputError
from fewshot.masks.coco import read_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage
from fewshot.sam.checkpoints import find_checkpoint

if TYPE_CHECKING:
    from fewshot.sam.embeddings import Embedder

CHOICE = "refinement.json"


def refine_predictions(layout: RunLayout, name: str) -> list[Stage]:
    """Return the stage between a model's predictions and their merge; none where it is off."""
    settings = layout.settings
    if not settings.sam.predictions:
        return []
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
        refine(what, _embedder(layout), targets, folder / CHOICE)

    return [
        Stage(
            name=f"refine {name}",
            folder=folder,
            settings={"merge": settings.merge.model_dump(), "score_threshold": threshold},
            inputs=[_checkpoint(layout), layout.validation, *layout.images]
            + [source / part for part in parts],
            outputs=[folder / part for part in (*parts, CHOICE)],
            work=work,
        )
    ]


def refine_soft_labels(layout: RunLayout) -> list[Stage]:
    """Return the stage between soft labels and the final training; none where it is off.

    It is chosen on what the radiologists predict of the validation slices, as certain as the least
    certain soft label, by the overlap of single masks: they are to be learnt from.
    """
    if not layout.settings.sam.soft_labels:
        return []
    source, target = layout.soft_labels, layout.labels_to_learn
    predictions = [
        layout.predictions(name) / layout.validation.name for name in layout.radiologists
    ]

    def work() -> None:
        from fewshot.sam.refining import Refinement, refine

        least = min((float(one.scores.min()) for one in _filled(source)), default=0.0)
        what = Refinement(
            truth=layout.validation,
            predictions=predictions,
            objective="overlap",
            least_scores=[least] * len(predictions),
        )
        refine(what, _embedder(layout), {source: target}, target.parent / CHOICE)

    return [
        Stage(
            name="refine soft labels",
            folder=target.parent,
            settings={},
            inputs=[_checkpoint(layout), source, layout.validation, *layout.images, *predictions],
            outputs=[target, target.parent / CHOICE],
            work=work,
        )
    ]


def _filled(path: Path) -> list[SliceMasks]:
    return [one for one in read_coco(path).masks.values() if len(one)]


def _checkpoint(layout: RunLayout) -> Path:
    """Return the file; that it is missing is said before any work starts."""
    try:
        return find_checkpoint(layout.settings.sam.checkpoint or "")
    except InputError as error:
        raise InputError(f"sam.{error}") from error


def _embedder(layout: RunLayout) -> "Embedder":
    from fewshot.sam.embeddings import Embedder
    from fewshot.sam.model import load_sam

    settings = layout.settings
    model = load_sam(str(_checkpoint(layout)), settings.detector.device)
    return Embedder(
        model,
        layout.root / "embeddings",
        batch_size=settings.sam.batch_size,
        mixed_precision=settings.detector.mixed_precision,
    )
