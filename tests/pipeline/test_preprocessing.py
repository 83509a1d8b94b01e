"""Preprocessing in a run: which stages it is a part of."""

from pathlib import Path

from fewshot.config.load import parse_settings
from fewshot.pipeline import plan
from fewshot.run.layout import RunLayout


def settings_of_stages(tmp_path: Path, *overrides: str) -> dict[str, object]:
    settings = parse_settings({"data": {"phantom": {}}, "control": True}, overrides)
    return {stage.name: stage.settings for stage in plan.stages(RunLayout(settings, tmp_path))}


def test_it_is_a_part_of_every_training_and_of_nothing_that_comes_before(tmp_path: Path) -> None:
    before, after = settings_of_stages(tmp_path), settings_of_stages(tmp_path, "preprocess=[clahe]")
    changed = {name for name in before if before[name] != after[name]}
    trainings = {"train rough", "train steady", "train fine", "train final", "train control"}
    # Predictions and soft labels follow from the models, whose files they name as inputs.
    assert changed == {*trainings, "report"}
