"""Every setting of a run: change it, and just those stages are stale that its value decides."""

import json
from pathlib import Path
from typing import Any

import pytest

from fewshot.config.leaves import Leaf, leaves
from fewshot.config.load import parse_settings
from fewshot.config.tree import RunSettings
from fewshot.pipeline import plan
from fewshot.run.layout import RunLayout
from tests.training.test_identity import varied

RUN: dict[str, Any] = {
    "data": {"phantom": {}},
    "soft_labels": {"assignment": "vote"},
    "experimental": {"final_augmentation": {}},
    "control": True,
}
MODELS = ("rough", "steady", "fine", "final", "control")
TRAINED = {f"train {name}" for name in MODELS}
PREDICTED = {f"predict {name}" for name in MODELS}
CALIBRATED = {f"calibrate {name}" for name in MODELS}
# Files are inputs by their content; those of lists and of other kinds of models have other tests.
ELSEWHERE = ("data.", "preprocess.", "sam.", "final.model.", "detector.kind", "detector.weights")


def stale(before: RunSettings, after: RunSettings) -> set[str]:
    """Return the stages, but for the report, that a change of settings makes stale by itself."""
    found: list[dict[str, str]] = []
    for settings in (before, after):
        stages = plan.stages(RunLayout(settings, Path("/run")))
        identities = {
            one.name: [dict(one.settings), sorted(one.inputs), [*map(str, one.outputs)]]
            for one in stages
        }
        found.append({name: json.dumps(one, default=str) for name, one in identities.items()})
    first, second = found
    names = {name for name in first | second if first.get(name) != second.get(name)}
    return names - {"report"}


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("seed=1", {"data", "soft labels", *TRAINED}),
        ("device=cuda", {"soft labels", *PREDICTED}),
        ("radiologists.fine.iterations=9", {"train fine"}),
        ("radiologists.fine.score_threshold=0.9", {"soft labels"}),
        ("final.iterations=9", {"train final", "train control"}),
        ("final.score_threshold=0.4", CALIBRATED),
        ("detector.batch_size=3", TRAINED),
        ("training.nan_retries=1", TRAINED),
        ("training.workers=2", set()),
        ("logging.images=3", set()),
        ("augmentation.noise=0.3", {"train rough", "train steady", "train fine"}),
        ("experimental.final_augmentation.noise=0.3", {"train final", "train control"}),
        ("experimental.score_weighted_loss=true", {"train final"}),
        ("experimental.precision_thresholds=true", {"soft labels"}),
        ("soft_labels.labelled_share=0.3", {"train final"}),
        ("soft_labels.ignore_threshold=0.3", {"soft labels"}),
        ("prediction.ensemble=true", {"predict final", "predict control"}),
        ("prediction.tta=[{scale: 2}]", PREDICTED),
        ("merge.metric=all", {"merge", "score", *CALIBRATED}),
        ("baseline.compactness=0.1", {"score"}),
    ],
)
def test_a_setting_makes_stale_what_it_decides(override: str, stages: set[str]) -> None:
    assert stale(parse_settings(RUN), parse_settings(RUN, [override])) == stages


HERE = [
    leaf
    for leaf in leaves(RunSettings)
    if "[]" not in leaf.path and not leaf.path.startswith(ELSEWHERE)
]


@pytest.mark.parametrize("leaf", HERE, ids=lambda one: one.path)
def test_no_setting_is_silently_kept(leaf: Leaf) -> None:
    settings = parse_settings(RUN)
    changed = varied(settings, leaf.path.split("."), leaf.field.annotation)
    assert isinstance(changed, RunSettings)
    assert bool(stale(settings, changed)) == (leaf.use != "nothing")
