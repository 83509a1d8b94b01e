"""What Segment Anything adds to a run: which stages, and that they do their work on files."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.config.load import parse_settings
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.masks.coco import SliceSet, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.pipeline import plan
from fewshot.run.layout import RunLayout
from fewshot.run.stages import StageRunner
from fewshot.sam.model import build_sam, save_sam


def _layout(root: Path, **sam: Any) -> RunLayout:
    tree = {
        "data": {"phantom": {"size": 64}},
        "device": "cpu",
        "sam": {"checkpoint": str(root / "small.pth"), **sam},
    }
    return RunLayout(parse_settings(tree), root / "run")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_sam(tmp_path / "small.pth", build_sam("tiny", 0))
    return tmp_path


@pytest.mark.parametrize(
    ("refine", "added"),
    [
        (False, set()),  # YAML reads a bare off as false
        ("predictions", {"refine rough", "refine steady", "refine fine", "refine final"}),
        ("soft_labels", {"refine soft labels"}),
        (
            "both",
            {"refine soft labels", "refine rough", "refine steady", "refine fine", "refine final"},
        ),
    ],
)
def test_stages_are_added_and_every_one_finds_its_inputs(
    refine: Any, added: set[str], root: Path
) -> None:
    layout = _layout(root, refine=refine)
    stages = plan.stages(layout)
    names = [stage.name for stage in stages]
    assert {name for name in names if name.startswith("refine")} == added
    assert len(set(names)) == len(names)
    made: set[Path] = set()
    for stage in stages:
        inside = {path for path in stage.inputs.values() if layout.root in path.parents}
        others = {layout.phantom / "X_train", layout.phantom / "X_test", layout.review}
        assert inside - others <= made, stage.name
        made |= set(stage.outputs)
    if "refine soft labels" in added:
        final = stages[names.index("train final")]
        assert layout.root / "soft_labels" / "refined" / "annotations.json" in final.inputs.values()


def test_a_missing_checkpoint_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sam\.checkpoint vit_b: .*375 MB"):
        plan.stages(_layout(tmp_path, refine="predictions", checkpoint="vit_b"))
    with pytest.raises(InputError, match=r"sam: refine: needs sam\.checkpoint"):
        _layout(tmp_path, refine="both", checkpoint=None)


def _predicted(slices: SliceSet, gap: int) -> SliceSet:
    masks = []
    for record in slices.records:
        label = slices.masks_of(record.image_id)
        stack = label.decode().copy()
        stack[:, ::gap] = False
        scores = np.full(len(label), 0.8, dtype=np.float32)
        masks.append(SliceMasks.from_stack(record.image_id, stack, scores, label.boxes, "final"))
    return slices.with_masks(masks)


def test_the_stages_work_on_files_and_are_skipped_when_done(
    root: Path, miniature: SliceSet
) -> None:
    layout = _layout(root, refine="both")
    shutil.copytree(miniature.images, layout.phantom / "X_train")
    (layout.phantom / "X_test").mkdir()
    labelled = miniature.subset([0, 1])
    for part in (layout.validation, layout.test):
        write_coco(part, labelled, "truth")
    for name in (*layout.radiologists, "final"):
        for part in (layout.validation, layout.test):
            write_coco(layout.predictions(name) / part.name, _predicted(labelled, 5), "predictions")
    write_coco(layout.soft_labels, _predicted(miniature.subset([2]), 7), "soft labels")
    stages = {stage.name: stage for stage in plan.stages(layout)}
    runner = StageRunner()
    for name in ("refine soft labels", "refine final"):
        runner.run(stages[name])
        assert runner.why_run(stages[name]) is None
        choice = read_json(stages[name].folder / "refinement.json")
        assert choice["checkpoint"] == "small"
        assert choice["objective"] == ("foreground" if name == "refine final" else "overlap")
    before, after = read_coco(layout.soft_labels), read_coco(layout.labels_to_learn)
    assert len(after.masks_of(2)) == len(before.masks_of(2))
    assert len(read_coco(layout.answers("final") / "test.json")) == 2
    assert len(list((layout.root / "embeddings").glob("*.npz"))) >= 2
