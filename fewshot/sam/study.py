"""A study: which prompts, inputs, resolutions, networks and phases segment best.

The design follows C. Hu et al., When SAM meets medical images: an investigation of Segment Anything
Model on multi-phase liver tumor segmentation, arXiv 2304.08506, 2023.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.files import read_json, read_json_lines, sha256_file, write_json
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.progress import Advance, no_progress
from fewshot.sam import frames
from fewshot.sam.decoder import ask_once
from fewshot.sam.embeddings import embedder_below
from fewshot.sam.evaluation import labelled
from fewshot.sam.input_transforms import InputTransform
from fewshot.sam.model import SamModel
from fewshot.sam.prompt_sampling import Task
from fewshot.sam.scores import overlap
from fewshot.sam.study_prompts import StudyPrompt

ROWS = "rows.jsonl"
PLAN = "plan.json"

Chances = NDArray[np.float32]  # (n, height, width), 0 to 1


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """All combinations of a study.

    Attributes:
        models: networks.
        phases: name → slices of that phase; the first has the labels, and the others have the same
            slices with the same image ids.
        treatments: filters and resolutions.
        prompts: kinds of prompts.
        embeddings: folder for embeddings; None stores none.
        mixed_precision: of the encoders.
    """

    models: Sequence[SamModel]
    phases: Mapping[str, SliceSet]
    treatments: Sequence[InputTransform]
    prompts: Sequence[StudyPrompt]
    embeddings: Path | None = None
    mixed_precision: str = "auto"

    def __post_init__(self) -> None:
        first, *others = self.phases.items()
        object.__setattr__(self, "phases", {first[0]: labelled(first[1], first[0]), **dict(others)})
        for name, slices in others:
            sizes = {one.image_id: (one.height, one.width) for one in slices.records}
            for record in self.truth.records:
                if sizes.get(record.image_id) != (record.height, record.width):
                    raise InputError(
                        f"phase {name}: has no slice of the size and id of {record.file_name!r} "
                        f"(image {record.image_id}) in phase {first[0]}"
                    )

    @property
    def truth(self) -> SliceSet:
        """The labelled slices."""
        return next(iter(self.phases.values()))

    @property
    def combinations(self) -> list[str]:
        """Each phase alone and, if there are several, their mean and maximum."""
        return [*self.phases, *(("mean", "max") if len(self.phases) > 1 else ())]

    def passes(self) -> list[tuple[SamModel, InputTransform]]:
        """The encoder passes; each yields a row per prompt and combination of phases."""
        return list(itertools.product(self.models, self.treatments))


def run_study(
    plan: StudyPlan, folder: Path, advance: Advance = no_progress
) -> list[dict[str, Any]]:
    """Run or resume a study; return one row per combination.

    A row has model, input, resolution, points, box, phases, structures, and mean IoU and Dice over
    structures with the standard error of the Dice. Rows are appended to `rows.jsonl`.

    Raises `InputError` if the folder contains another study.
    """
    _check_plan(plan, folder)
    rows = [row for row in read_json_lines(folder / ROWS) if isinstance(row.get("pass"), str)]
    done = {row["pass"] for row in rows}
    for number, (model, treatment) in enumerate(plan.passes()):
        key = f"{model.name} {treatment.key}"
        if key not in done:
            made = [{"pass": key, **row} for row in _pass(plan, model, treatment)]
            with (folder / ROWS).open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row) + "\n" for row in made))
            rows += made
        advance(number + 1, key)
    return [{key: value for key, value in row.items() if key != "pass"} for row in rows]


def _pass(plan: StudyPlan, model: SamModel, treatment: InputTransform) -> Iterator[dict[str, Any]]:
    scores: dict[tuple[int, str], list[tuple[float, float]]] = {}
    embedder = embedder_below(plan.embeddings, model, treatment, plan.mixed_precision)
    for record in plan.truth.records:
        masks = plan.truth.masks_of(record.image_id).decode()
        features = {
            name: embedder.of(slices, _same(slices, record)) for name, slices in plan.phases.items()
        }
        for number, prompt in enumerate(plan.prompts):
            task = prompt.task(masks)
            chances = [_chances(model, one, task) for one in features.values()]
            for name, found in _combined(list(features), chances):
                iou, dice = overlap(task.truth, found > 0.5)
                scores.setdefault((number, name), []).extend(zip(iou, dice, strict=True))
    for (number, name), pairs in scores.items():
        yield _row(model, treatment, plan.prompts[number], name, np.array(pairs))


def _chances(model: SamModel, features: torch.Tensor, task: Task) -> Chances:
    """Return the probability of each pixel for each prompt."""
    height, width = task.truth.shape[1:]
    with torch.inference_mode():
        low = ask_once(model, features, task.prompts, (height, width)).low
        logits = frames.to_slice(model, low, (height, width))[:, 0]
    chances: Chances = torch.sigmoid(logits).cpu().numpy()
    return chances


def _combined(names: Sequence[str], chances: Sequence[Chances]) -> list[tuple[str, Chances]]:
    alone = list(zip(names, chances, strict=True))
    if len(chances) == 1:
        return alone
    stack = np.stack(chances)
    return [*alone, ("mean", stack.mean(axis=0)), ("max", stack.max(axis=0))]


def _row(
    model: SamModel,
    treatment: InputTransform,
    prompt: StudyPrompt,
    phases: str,
    pairs: NDArray[np.float64],
) -> dict[str, Any]:
    dice = pairs[:, 1]
    error = float(dice.std(ddof=1) / np.sqrt(len(dice))) if len(dice) > 1 else None
    return {
        "model": model.name,
        "input": treatment.name,
        "resolution": treatment.resolution,
        "points": prompt.points,
        "box": prompt.box,
        "phases": phases,
        "structures": len(dice),
        "iou": float(pairs[:, 0].mean()),
        "dice": float(dice.mean()),
        "dice_error": error,
    }


def _same(slices: SliceSet, record: SliceRecord) -> SliceRecord:
    return next(one for one in slices.records if one.image_id == record.image_id)


def _check_plan(plan: StudyPlan, folder: Path) -> None:
    """Write the plan of the study, or check that the folder contains the same one."""
    names = [model.name for model in plan.models]
    if len(set(names)) < len(names):
        raise InputError(f"study: two networks are called {names[0]}; rename a file or its folder")
    described = {
        "models": [[model.name, _digest(model)] for model in plan.models],
        "phases": {name: _content(slices) for name, slices in plan.phases.items()},
        "treatments": [treatment.key for treatment in plan.treatments],
        "prompts": [prompt.name for prompt in plan.prompts],
    }
    path = folder / PLAN
    if path.is_file() and read_json(path) != described:
        raise InputError(f"{folder}: contains another study; give another folder")
    if not path.is_file():
        write_json(path, described)


def _digest(model: SamModel) -> str:
    digest = hashlib.sha256()
    for value in model.network.state_dict().values():
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _content(slices: SliceSet) -> str:
    parts = [
        [one.image_id, sha256_file(slices.path_of(one)), slices.masks_of(one.image_id).rles]
        for one in slices.records
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def with_resolutions(
    treatments: Sequence[InputTransform], resolutions: Sequence[int | None]
) -> list[InputTransform]:
    """Return every filter at every resolution."""
    return [
        replace(one, resolution=resolution)
        for one, resolution in itertools.product(treatments, resolutions)
    ]
