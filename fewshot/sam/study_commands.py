"""Comparisons and studies of Segment Anything networks: their tables and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.drawing.contact_sheet import spread
from fewshot.drawing.side_by_side import Column, write_side_by_side
from fewshot.files import write_json, write_text
from fewshot.masks.coco import SliceSet, check_images
from fewshot.metrics.scores import as_csv
from fewshot.progress import progress
from fewshot.sam.comparison import ModelAnswers, answers_of
from fewshot.sam.embeddings import Embedder
from fewshot.sam.evaluation import labelled
from fewshot.sam.input_transforms import InputTransform
from fewshot.sam.model import SamModel
from fewshot.sam.study import StudyPlan, run_study, with_resolutions
from fewshot.sam.study_figure import write_study_figure
from fewshot.sam.study_prompts import StudyPrompt


def compare_networks(
    embedders: Sequence[Embedder],
    slices: SliceSet,
    prompt: StudyPrompt,
    most: int | None,
    out: Path,
) -> list[dict[str, Any]]:
    """Compare networks with the same prompts; write `scores.csv`, `summary.json`, `comparison.png`.

    Returns the summary: one row per network.
    """
    chosen = check_images(_some(labelled(slices, "the COCO file"), most))
    answers = []
    with progress("comparing", len(embedders)) as advance:
        for embedder in embedders:
            answers.append(answers_of(embedder, chosen, prompt))
            advance(len(answers), embedder.model.name)
    summary = [one.summary() for one in answers]
    write_text(out / "scores.csv", as_csv([row for one in answers for row in one.rows()]))
    write_json(out / "summary.json", {"prompt": prompt.name, "models": summary})
    columns: list[Column] = [("truth", chosen.masks, {})]
    columns += [(one.name, one.masks, _captions(chosen, one)) for one in answers]
    note = f"prompt: {prompt.name}; Dice is the mean over the structures of a slice"
    write_side_by_side(out / "comparison.png", chosen, columns, note)
    return summary


@dataclass(frozen=True, eq=False)
class StudyRequest:
    """The inputs of a study; see `StudyPlan`. At most `most` evenly spaced slices are used."""

    models: Sequence[SamModel]
    slices: SliceSet
    phases: Mapping[str, SliceSet]
    treatments: Sequence[InputTransform]
    resolutions: Sequence[int]
    prompts: Sequence[StudyPrompt]
    most: int | None = None
    embeddings: Path | None = None
    mixed_precision: str = "auto"


def write_study(request: StudyRequest, out: Path) -> list[dict[str, Any]]:
    """Run a study; write `study.csv`, `study.json` and `study.png`, and return its rows."""
    chosen = check_images(_some(labelled(request.slices, "the COCO file"), request.most))
    for slices in request.phases.values():
        check_images(slices)
    plan = StudyPlan(
        models=request.models,
        phases={"slices": chosen, **request.phases},
        treatments=with_resolutions(request.treatments, request.resolutions),
        prompts=request.prompts,
        embeddings=request.embeddings,
        mixed_precision=request.mixed_precision,
    )
    with progress("study", len(plan.passes())) as advance:
        rows = run_study(plan, out, advance)
    write_text(out / "study.csv", as_csv(rows))
    write_json(out / "study.json", rows)
    write_study_figure(out / "study.png", rows)
    return rows


def _some(slices: SliceSet, most: int | None) -> SliceSet:
    if most is None:
        return slices
    places = spread(range(len(slices)), most)
    return slices.subset(slices.records[place].image_id for place in places)


def _captions(slices: SliceSet, answers: ModelAnswers) -> dict[int, str]:
    captions = {}
    for record in slices.records:
        dice = [one.dice for one in answers.scores if one.image == record.file_name]
        captions[record.image_id] = f"Dice {np.mean(dice):.3f}"
    return captions
