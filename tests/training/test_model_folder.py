"""Model folders of every kind: what they say, what prediction needs, damage, older releases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config
from fewshot.detector.architecture import build_network as build_detector
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.models.registry import load_model
from fewshot.semantic.networks import build_network
from fewshot.training.model_folder import TrainedNetwork, describe_model, save_trained

SMALL = SemanticSettings(encoder="tu-mobilenetv3_small_050")
TINY = DetectorSettings(weights="none", max_masks=7)

Make = Callable[[Path], Path]


def untrained(kind: str, folder: Path) -> Path:
    """Write a network as it is before any training; return its folder."""
    network, settings = (
        (build_network(SMALL), SMALL)
        if kind == "semantic"
        else (build_detector(build_config(TINY)), TINY)
    )
    save_trained(TrainedNetwork(network, settings, "steady"), folder, 3, {"ap": 0.25})
    return folder


def spoil(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Return what changes the description of a model in place."""

    def spoilt(folder: Path) -> None:
        content = read_json(folder / "model.json")
        change(content)
        write_json(folder / "model.json", content)

    return spoilt


@pytest.mark.parametrize("kind", ["mask_rcnn", "semantic"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        # no description: no model was ever finished here
        (lambda folder: (folder / "model.json").unlink(), "contains no trained model"),
        # cut off in the middle, as by a full disk
        (lambda folder: (folder / "model.pth").write_bytes(b"PK\x03\x04half"), "not a usable"),
        # not a description at all, or one that lacks what every model has
        (lambda folder: write_json(folder / "model.json", []), "not a model's description"),
        (spoil(lambda content: content.pop("settings")), "not a model's description"),
        (spoil(lambda content: content.update(validation=[])), "its validation is"),
        (spoil(lambda content: content["validation"].update(ap="good")), "its ap is 'good'"),
        # settings that no network has
        (spoil(lambda content: content["settings"].update(batch_size="x")), "are damaged"),
        # weights of another network
        (
            lambda folder: torch.save({"model": {"a": torch.ones(1)}}, folder / "model.pth"),
            "not fit",
        ),
        # code in place of weights
        (lambda folder: torch.save({"model": print}, folder / "model.pth"), "not a usable"),
    ],
)
def test_damaged_model_folders_are_refused(
    kind: str, damage: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    damage(untrained(kind, tmp_path))
    with pytest.raises(InputError, match=words) as told:
        load_model(tmp_path, "cpu")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["mask_rcnn", "semantic"])
def test_models_of_release_0_1_are_still_read(kind: str, tmp_path: Path) -> None:
    """They had other words for the same, and settings that only training used."""
    now = read_json(untrained(kind, tmp_path) / "model.json")
    old = {
        "kind": kind,
        "name": "steady",
        "iterations": 3,
        "average_precision": {"ap": 0.25, "ap50": 0.5, "ap75": 0.125},
        {"mask_rcnn": "detector", "semantic": "semantic"}[kind]: {
            **now["settings"],
            "evaluation_period": 100,
            "gafl": False,
            "a_setting_that_is_gone": 3,
        },
        **({"iou": 0.75, "dice": 0.5, "seconds": 3.5} if kind == "semantic" else {}),
    }
    write_json(tmp_path / "model.json", old)
    description = describe_model(tmp_path)
    scores = {"ap": 0.25, "ap50": 0.5, "ap75": 0.125}
    assert description.validation == scores | (
        {"iou": 0.75, "dice": 0.5} if kind == "semantic" else {}
    )
    model = load_model(tmp_path, "cpu")
    assert model.name == "steady"
    assert model.trained.settings == (TINY if kind == "mask_rcnn" else SMALL)
