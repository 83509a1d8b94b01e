"""A run with a semantic radiologist and a semantic final model beside a Mask R-CNN."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fewshot.config.load import load_settings, parse_settings
from fewshot.errors import InputError
from fewshot.files import read_json_lines
from fewshot.masks.coco import read_coco
from fewshot.pipeline import plan
from fewshot.pipeline.run import run, status
from fewshot.radiologists.mask_source import refine_masks
from fewshot.run.layout import RunLayout

NETWORK = {
    "kind": "semantic",
    "encoder": "tu-mobilenetv3_small_050",
    "batch_size": 2,
}
TREE: dict[str, Any] = {
    "data": {"phantom": {"size": 64, "labelled": 6, "unlabelled": 4, "test": 2}},
    "device": "cpu",
    "detector": {"batch_size": 2},
    "training": {"evaluation_period": 0},
    "radiologists": [
        {"name": "rough", "learning_rate": 0.002, "iterations": 2, "score_threshold": 0.06},
        {
            "name": "net",
            "iterations": 4,
            "score_threshold": 0.06,
            "model": {**NETWORK, "ema": 0.9, "consistency": {"weight": 1.0, "burn_in": 0.0}},
        },
    ],
    "soft_labels": {"assignment": "vote", "vote_threshold": 0.05, "mask_source": "net"},
    "final": {
        "iterations": 3,
        "model": {**NETWORK, "network": "pan", "experimental": {"gafl": True}},
    },
}


@pytest.mark.slow
def test_models_of_several_kinds_serve_in_one_run(tmp_path: Path) -> None:
    settings, out = parse_settings(TREE), tmp_path / "run"
    run(settings, out)
    kinds = {
        name: json.loads((out / name / "model.json").read_text())["kind"]
        for name in ("radiologists/rough", "radiologists/net", "final")
    }
    assert kinds == {
        "radiologists/rough": "mask_rcnn",
        "radiologists/net": "semantic",
        "final": "semantic",
    }
    last = read_json_lines(out / "radiologists" / "net" / "training.jsonl")[-1]
    assert last["loss_consistency"] >= 0
    weights = json.loads((out / "weights" / "weights.json").read_text())["weights"]
    assert set(weights) == {"rough", "net"}
    assert len(read_coco(out / "soft_labels" / "annotations.json")) == 4
    assert (out / "submission.csv").is_file()
    assert (out / "report.html").stat().st_size > 1000
    resolved = load_settings(out / "config.resolved.yaml")
    assert resolved.device == "cpu"
    assert {why for _, why in status(settings, out)} == {"done and unchanged"}
    changed = parse_settings(TREE, ["radiologists.net.model.experimental.gafl=true"])
    again = {name for name, why in status(changed, out) if why != "done and unchanged"}
    assert "train net" in again
    assert not {"train rough", "data"} & again


@pytest.mark.slow
def test_a_radiologist_lends_its_encoder_and_redraws_the_answer(tmp_path: Path) -> None:
    # Whatever it has learnt so far, this network sees foreground nearly everywhere.
    wide = {"threshold": 0.01, "method": "components", "opening": 0}
    tree = {**TREE, "final": {"iterations": 2, "warm_start": "net"}, "control": True}
    sure = [
        "soft_labels.mask_source=null",
        "radiologists.net.model.encoder=resnet18",
        f"radiologists.net.model.regions={json.dumps(wide)}",
    ]
    settings, out = parse_settings(tree, sure), tmp_path / "run"
    run(settings, out)
    # The control started from a twin that has not seen unlabelled slices.
    assert "loss_consistency" not in read_json_lines(out / "control-net" / "training.jsonl")[-1]
    scratch = parse_settings(tree, [*sure, "final.warm_start=false"])
    reasons = dict(status(scratch, out))
    assert "train control-net" not in reasons
    assert {reasons["train final"], reasons["train control"]} == {
        "its settings changed (warm_start)"
    }
    predicted = out / "predictions"
    plain = [read_coco(predicted / name / "test.json") for name in ("final", "control")]
    wanted = parse_settings(tree, [*sure, "prediction.refine_with=net"])
    waiting = {name for name, why in status(wanted, out) if why != "done and unchanged"}
    assert {"predict final", "merge", "submit"} <= waiting
    assert not {"predict net", "predict rough", "train final", "train control-net"} & waiting
    run(wanted, out, mode="resume")
    drawn = [read_coco(predicted / name / "test.json") for name in ("final", "control")]
    foreground = [read_coco(predicted / name / "test.json") for name in ("net", "control-net")]
    for before, after, of in zip(plain, drawn, foreground, strict=True):
        changed = 0
        for image_id in (record.image_id for record in before.records):
            masks = refine_masks(before.masks_of(image_id), of.masks_of(image_id))
            assert after.masks_of(image_id).rles == masks.rles
            changed += masks.rles != before.masks_of(image_id).rles
        assert changed


@pytest.mark.parametrize("part", ["prediction.ensemble=true", "prediction.refine_with=net"])
def test_nothing_that_has_seen_unlabelled_slices_answers_with_the_control(
    tmp_path: Path, part: str
) -> None:
    settings = parse_settings(TREE, ["control=true", part])
    stages = {stage.name: stage for stage in plan.stages(RunLayout(settings, tmp_path))}
    net, twin = tmp_path / "radiologists" / "net", tmp_path / "control-net"
    read = {name: stages[f"predict {name}"].inputs.values() for name in ("final", "control")}
    assert net / "model.pth" in read["final"]
    assert twin / "model.pth" not in read["final"]
    assert net / "model.pth" not in read["control"]
    assert twin / "model.pth" in read["control"]
    assert tmp_path / "data" / "unlabelled.json" in stages["train net"].inputs.values()
    assert tmp_path / "data" / "unlabelled.json" not in stages["train control-net"].inputs.values()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("radiologists.net.model.encoder=resnet81", "resnet81: unknown encoder"),
        ("radiologists.net.model.weights=no.pth", "no.pth: no such file"),
        ("final.model.network=deeplabv3 ", "deeplabv3 cannot be built on vgg11"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, override: str, words: str
) -> None:
    overrides = [override]
    if "deeplabv3" in override:
        overrides.append("final.model.encoder=vgg11")
    with pytest.raises(InputError, match=words):
        run(parse_settings(TREE, overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


ALONE = """
import sys
sys.modules["detectron2"] = None  # as if it were not installed
from pathlib import Path
from fewshot.config.load import parse_settings
from fewshot.pipeline.run import run
run(parse_settings(eval(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_run_of_semantic_networks_alone_needs_no_detectron2(tmp_path: Path) -> None:
    model = {**NETWORK, "weights": "none"}
    tree = {
        "data": TREE["data"],
        "device": "cpu",
        "training": TREE.get("training", {}),
        "radiologists": [{"name": "net", "iterations": 2, "model": model}],
        "final": {"iterations": 2, "model": model},
    }
    command = [sys.executable, "-c", ALONE, repr(tree), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "submission.csv").is_file()
