"""The scores of a run: kept whole in its two files, and shown in a terminal."""

import json
from pathlib import Path

import pytest

from fewshot.config.names import CONTROL, FINAL, WATERSHED
from fewshot.errors import InputError
from fewshot.masks.merge import MergeRule
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import METRICS
from fewshot.run.scores import (
    MASK_AP,
    MASK_AP50,
    ModelScores,
    RunScores,
    columns,
    read_run_scores,
)

IMAGES = ("0.png", "1.png", "2.png")


def scores(value: float) -> Scores:
    return Scores.of({image: dict.fromkeys(METRICS, value) for image in IMAGES})


def model(everything: float, foreground: float) -> ModelScores:
    return ModelScores(
        {"all": scores(everything), "foreground": scores(foreground)},
        {"all": MergeRule(0.5), "foreground": MergeRule(0.25, 9, "nearest")},
        AveragePrecision(0.125, 0.25, 0.0625),
    )


@pytest.fixture
def run() -> RunScores:
    models = {
        WATERSHED: ModelScores.untuned(scores(0.125)),
        FINAL: model(0.75, 0.5),
        CONTROL: model(0.625, 0.375),
    }
    return RunScores("test", "foreground", {"test": models, "validation": models})


def test_both_files_together_hold_everything(run: RunScores, tmp_path: Path) -> None:
    metrics, per_image = tmp_path / "metrics.json", tmp_path / "per_image.csv"
    run.write(metrics, per_image)
    assert read_run_scores(metrics, per_image) == run
    means = read_run_scores(metrics, tmp_path / "none.csv")
    assert means.answer.means == run.answer.means
    assert means.answer.per_image == {}
    assert means.rule == MergeRule(0.25, 9, "nearest")


def test_each_index_is_taken_under_its_own_rule_and_all_else_under_the_submissions(
    run: RunScores,
) -> None:
    found = {one.name: run.models[FINAL].value(one, run.metric) for one in columns()}
    means = {name: None if one is None else one.mean for name, one in found.items()}
    assert means.pop("ari_all") == 0.75
    assert means.pop("mask_ap") == 0.125
    assert means.pop("mask_ap50") == 0.25
    assert set(means.values()) == {0.5}
    assert {"ari_foreground", "dice", "missed", "extra"} <= set(means)
    for measure in (MASK_AP, MASK_AP50):
        assert run.models[WATERSHED].value(measure, "all") is None


def test_a_terminal_shows_every_model_in_80_columns(run: RunScores) -> None:
    lines = run.table()
    assert max(map(len, lines)) <= 80
    values = ["0.750", "0.500", "0.500", "0.50", "0.50", "0.250", "0.125"]
    assert lines[-2].split() == ["final", *values]
    assert [line.split()[0] for line in lines[-3:]] == [WATERSHED, FINAL, CONTROL]


@pytest.mark.parametrize(
    "text", ["a\n1\n", "part,model,tuned_for,image\ntest,final,all,0.png\n", "part\ntest\n"]
)
def test_other_tables_are_refused(run: RunScores, text: str, tmp_path: Path) -> None:
    metrics, per_image = tmp_path / "metrics.json", tmp_path / "per_image.csv"
    run.write(metrics, per_image)
    per_image.write_text(text)
    with pytest.raises(InputError, match=r"per_image.csv: is no table of scores by image"):
        read_run_scores(metrics, per_image)


@pytest.mark.parametrize("content", [{}, [], {"answer": 1}, {"answer": {"part": "test"}}])
def test_other_json_is_refused(content: object, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"metrics.json: is not the metrics of a run .*; score"):
        read_run_scores(tmp_path / "metrics.json")
