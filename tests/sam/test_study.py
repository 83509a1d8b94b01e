import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.sam.embeddings import Embedder
from fewshot.sam.evaluation import evaluate
from fewshot.sam.input_transforms import RAW, InputTransform
from fewshot.sam.model import SamModel
from fewshot.sam.prompt_sampling import Task
from fewshot.sam.scores import mean_dice
from fewshot.sam.study import StudyPlan, run_study, with_resolutions
from fewshot.sam.study_prompts import StudyPrompt
from fewshot.slices.images import read_image, write_image

PROMPTS = [StudyPrompt(0, "tight"), StudyPrompt(2, "none"), StudyPrompt(0, "whole")]


@pytest.fixture
def two(miniature: SliceSet) -> SliceSet:
    """A slice with masks and one without, which a study passes over."""
    return miniature.subset([1, 5])


def _asked(prompt: StudyPrompt, masks: NDArray[np.bool_]) -> list[Task]:
    return [prompt.task(masks)]


def _late_phase(slices: SliceSet, folder: Path) -> SliceSet:
    records = []
    for record in slices.records:
        write_image(folder / record.file_name, 255 - read_image(slices.path_of(record)))
        records.append(record)
    return SliceSet(folder, tuple(records), {})


def test_every_combination_has_a_row(tiny: SamModel, two: SliceSet, tmp_path: Path) -> None:
    dark = InputTransform("dark", lambda image: (image // 2).astype(np.uint8))
    phases = {"early": two, "late": _late_phase(two, tmp_path / "late")}
    plan = StudyPlan([tiny], phases, with_resolutions([RAW, dark], [32, 64]), PROMPTS)
    rows = run_study(plan, tmp_path / "study")
    assert len(rows) == 2 * 2 * 3 * 4  # inputs, resolutions, prompts; two phases, mean, max
    keys = [(r["input"], r["resolution"], r["points"], r["box"], r["phases"]) for r in rows]
    assert len(set(keys)) == len(rows)
    count = len(two.masks_of(1))
    assert {row["structures"] for row in rows if row["box"] != "whole"} == {count}
    assert {row["structures"] for row in rows if row["box"] == "whole"} == {1}
    # At its own resolution, untreated, it is what an evaluation finds.
    same = [r for r in rows if (r["input"], r["resolution"], r["phases"]) == ("raw", 64, "early")]
    for row, prompt in zip(same, PROMPTS, strict=True):
        scores = evaluate(Embedder(tiny), two.subset([1]), partial(_asked, prompt))
        assert row["dice"] == pytest.approx(mean_dice(scores), abs=1e-6)


def test_the_maximum_of_phases_is_their_union(
    tiny: SamModel, two: SliceSet, tmp_path: Path
) -> None:
    phases = {"a": two, "b": two}
    rows = run_study(StudyPlan([tiny], phases, [RAW], PROMPTS[:1]), tmp_path / "study")
    assert {row["dice"] for row in rows} == {rows[0]["dice"]}  # equal phases agree with themselves
    assert [row["phases"] for row in rows] == ["a", "b", "mean", "max"]


def test_a_study_goes_on_where_it_stopped(tiny: SamModel, two: SliceSet, tmp_path: Path) -> None:
    treatments = with_resolutions([RAW], [32, 64])
    plan = StudyPlan([tiny], {"slices": two}, treatments, PROMPTS[:1])
    whole = run_study(plan, tmp_path / "whole")
    rows_file = tmp_path / "whole" / "rows.jsonl"
    first = rows_file.read_text().splitlines()[0]
    marked = {**json.loads(first), "dice": 0.123}
    rows_file.write_text(json.dumps(marked) + "\n" + '{"pass": "tiny raw@64", "torn')
    rows = run_study(plan, tmp_path / "whole")
    assert rows[0]["dice"] == 0.123  # not done again
    assert rows[1:] == whole[1:]


def test_another_study_and_other_phases_are_refused(
    tiny: SamModel, two: SliceSet, tmp_path: Path
) -> None:
    run_study(StudyPlan([tiny], {"slices": two}, [RAW], PROMPTS[:1]), tmp_path / "study")
    with pytest.raises(InputError, match="contains another study"):
        run_study(StudyPlan([tiny], {"slices": two}, [RAW], PROMPTS[1:2]), tmp_path / "study")
    with pytest.raises(InputError, match="two networks are called tiny"):
        run_study(StudyPlan([tiny, tiny], {"slices": two}, [RAW], PROMPTS[:1]), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    other = SliceSet(two.images, (SliceRecord(1, "1.png", 32, 32),), {})
    with pytest.raises(InputError, match="phase late: has no slice of the size and id"):
        StudyPlan([tiny], {"early": two, "late": other}, [RAW], PROMPTS[:1])


def test_a_prompt_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="give points, a box, or both"):
        StudyPrompt(0, "none")
    assert StudyPrompt(5, "tight").name == "5 points, tight box"
