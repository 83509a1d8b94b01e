"""Refining masks in files with Segment Anything, where validation slices show a gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from fewshot.config.tree import MergeSettings
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, check_images, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.calibration import choose_rule
from fewshot.metrics.merge_rules import read_validation
from fewshot.progress import progress, say
from fewshot.sam.embeddings import Embedder
from fewshot.sam.prompts import PROMPT_KINDS, PromptKind
from fewshot.sam.refine import RefineRule, apply_rule, propose
from fewshot.sam.refine_choice import (
    Judge,
    RefineChoice,
    choose_refinement,
    overlap_judge,
    rand_judge,
)

Objective = Literal["foreground", "all", "overlap"]


@dataclass(frozen=True)
class Refinement:
    """Inputs and objective of a refinement.

    Attributes:
        truth: labelled validation slices.
        predictions: models' masks of the same slices; several are used together.
        objective: an adjusted Rand variant of merged masks, or the overlap of single masks, for
            soft labels.
        merge: how masks are merged, for an objective of a Rand variant.
        score_threshold: of the merge; None to calibrate it first.
        least_scores: lowest score of masks to use, for each file of predictions.
        prompts: kinds of prompts to choose from.
    """

    truth: Path
    predictions: Sequence[Path]
    objective: Objective
    merge: MergeSettings = field(default_factory=MergeSettings)
    score_threshold: float | None = None
    least_scores: Sequence[float] = ()
    prompts: Sequence[PromptKind] = PROMPT_KINDS


def refine(
    what: Refinement, embedder: Embedder, targets: Mapping[Path, Path], chosen: Path
) -> dict[str, Any]:
    """Choose a rule on validation slices, apply it, and write and return the choice.

    `targets` are COCO files of masks → files to write with refined masks.
    """
    choice = _choose(what, embedder)
    say(_in_words(choice))
    for source, target in targets.items():
        predictions = check_images(read_coco(source))
        if choice.rule is None:
            masks = dict(predictions.masks)
        else:
            masks = refined(embedder, predictions, choice.rule, source.stem)
        note = "not refined" if choice.rule is None else f"refined by {embedder.model.name}"
        write_coco(target, predictions.with_masks(masks.values()), note)
    content = {"checkpoint": embedder.model.name, "objective": what.objective, **choice.as_json()}
    write_json(chosen, content)
    return content


def _choose(what: Refinement, embedder: Embedder) -> RefineChoice:
    thresholds = what.least_scores or [0.0] * len(what.predictions)
    pooled: list[tuple[SliceSet, Judge]] = []
    for path, threshold in zip(what.predictions, thresholds, strict=True):
        labels, masks = read_validation(what.truth, path)
        truth = check_images(read_coco(what.truth))
        wanted = truth.with_masks(
            [masks[key].above(threshold) for key in labels if key in masks and len(masks[key])]
        )
        if what.objective == "overlap":
            judge = overlap_judge(truth)
        else:
            rule = choose_rule(
                labels, wanted.masks, what.merge, what.objective, what.score_threshold
            ).rule
            judge = rand_judge(labels, rule, what.objective)
        pooled.append((wanted, judge))
    predictions, judge = _pool(pooled)
    proposals = {}
    for kind in what.prompts:
        with progress(f"refining by {kind}", len(predictions)) as advance:
            proposals[kind] = propose(embedder, predictions, kind, advance)
    return choose_refinement(predictions, proposals, judge)


def _pool(pooled: Sequence[tuple[SliceSet, Judge]]) -> tuple[SliceSet, Judge]:
    """Return the masks of several models on the same slices as those of one model."""
    if len(pooled) == 1:
        return pooled[0]
    first = pooled[0][0]
    ids = [record.image_id for record in first.records]
    together = [
        reduce(SliceMasks.joined, [slices.masks_of(key) for slices, _ in pooled]) for key in ids
    ]
    return first.with_masks(together), pooled[0][1]


def refined(
    embedder: Embedder, predictions: SliceSet, rule: RefineRule, name: str
) -> dict[int, SliceMasks]:
    """Return predicted masks after a rule, by image id; `name` says which in the progress."""
    with progress(f"refining {name}", len(predictions)) as advance:
        proposals = propose(embedder, predictions, rule.prompt, advance)
    return apply_rule(predictions, proposals, rule)


def _in_words(choice: RefineChoice) -> str:
    best = choice.best
    figures = (
        f"best on validation: {best.prompt}, {choice.replaced:.0%} of the masks replaced, "
        f"{choice.before:.4f} {choice.gain:+.4f} ± {choice.error:.4f}"
    )
    used = "improves the score" if choice.rule else "is left out, as it shows no clear gain"
    return f"refinement {used} ({figures})"
