"""Weights: found where they are said to be, read without running code, named when missing."""

import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2 import model_zoo

from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.weights import (
    initial_weights,
    load_initial_weights,
    zoo_weights_present,
)
from fewshot.errors import InputError

R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
R50_FILE = "model_final_f10217.pkl"


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/fewshot-was-here",)


def _tiny() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(build_config(DetectorSettings()))


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [
        # tiny has none to start from
        ("tiny", "auto"),
        # none is none
        (R50, "none"),
    ],
)
def test_training_from_scratch(architecture: str, weights: str) -> None:
    assert initial_weights(DetectorSettings(architecture=architecture, weights=weights)) is None


def test_zoo_weights_are_taken_from_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model_zoo.get_checkpoint_url(R50).endswith(R50_FILE)
    monkeypatch.setenv(WEIGHTS_FOLDER_VARIABLE, str(tmp_path))
    assert not zoo_weights_present(R50)
    (tmp_path / R50_FILE).write_bytes(b"")
    assert zoo_weights_present(R50)
    assert initial_weights(DetectorSettings(architecture=R50)) == tmp_path / R50_FILE


def test_weights_that_cannot_be_had_are_named_with_their_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_arguments: object, **_options: object) -> None:
        raise OSError("the network is unreachable")

    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path))
    monkeypatch.delenv(WEIGHTS_FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(InputError, match=rf"{R50_FILE} cannot .* https://.*{R50_FILE}; .*SHOT_W"):
        initial_weights(DetectorSettings(architecture=R50))


def test_a_checkpoint_and_a_zoo_pickle_give_the_same_network(tmp_path: Path) -> None:
    saved = _tiny().state_dict()
    torch.save({"model": saved}, tmp_path / "ours.pth")
    arrays = {name: value.numpy() for name, value in saved.items()}
    zoo = {"model": arrays, "__author__": "Detectron2 Model Zoo", "matching_heuristics": True}
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps(zoo))
    for name in ("ours.pth", "zoo.pkl"):
        torch.manual_seed(1)
        network = build_network(build_config(DetectorSettings()))
        load_initial_weights(network, tmp_path / name)
        for key, value in network.state_dict().items():
            assert torch.equal(value, saved[key]), key


def test_layers_of_another_shape_are_left_alone(tmp_path: Path) -> None:
    """The zoo's heads know 80 classes, ours know one."""
    saved = {name: value + 1 for name, value in _tiny().state_dict().items()}
    saved["roi_heads.box_predictor.cls_score.weight"] = torch.zeros(81, 256)
    torch.save({"model": saved}, tmp_path / "other.pth")
    network = _tiny()
    before = network.state_dict()["roi_heads.box_predictor.cls_score.weight"].clone()
    load_initial_weights(network, tmp_path / "other.pth")
    after = network.state_dict()
    assert torch.equal(after["roi_heads.box_predictor.cls_score.weight"], before)
    name = "backbone.bottom_up.stem.conv1.weight"
    assert torch.equal(after[name], saved[name])


ONES, ONE = np.ones(4, np.float32), torch.ones(1)


def _pickled(content: object) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(pickle.dumps(content))


def _truncated(path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(100)}}, path)
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        # nothing in it
        ("empty.pth", lambda path: path.write_bytes(b""), "not a usable checkpoint"),
        # cut off
        ("short.pth", _truncated, "not a usable checkpoint"),
        # would run a command
        ("evil.pth", lambda path: torch.save(_Evil(), path), "not a usable checkpoint"),
        ("evil.pkl", lambda path: path.write_bytes(pickle.dumps(_Evil())), "wants to run"),
        # a pickle of something else, and none at all
        ("list.pkl", lambda path: path.write_bytes(pickle.dumps([1])), "no model weights"),
        ("text.pkl", lambda path: path.write_bytes(b"weights"), "not a readable weights file"),
        # weights of something else
        ("other.pth", lambda path: torch.save({"model": {"a": torch.ones(2)}}, path), "no layer"),
        ("plain.pth", lambda path: torch.save({"model": 3}, path), "no model weights"),
        # weights that are none
        ("key.pth", lambda path: torch.save({"model": {1: torch.ones(1)}}, path), "called 1"),
        ("pair.pth", lambda path: torch.save({(1, 2): torch.ones(1)}, path), "of type tuple"),
        ("text.pth", lambda path: torch.save({"model": {"a": "x"}}, path), "a is .* type str"),
        ("none.pth", lambda path: torch.save({"model": {"a": None}}, path), "a is nothing"),
        ("list.pth", lambda path: torch.save({"model": [1]}, path), "type list instead"),
        ("nan.pth", lambda path: torch.save({"a": torch.tensor(torch.nan)}, path), "holds NaN"),
        ("blobs.pkl", _pickled({"blobs": [1]}), "type list instead"),
        ("key.pkl", _pickled({1: ONES}), "called 1"),
        ("bytes.pkl", _pickled({"blobs": {"conv1_w": b"z"}}), "conv1_w is .* type bytes"),
        ("object.pkl", _pickled({"conv1_w": np.array([None, 1])}), "'O8' values"),
        ("text.pkl", _pickled({"conv1_w": np.array(["a"])}), "'U1' values"),
        ("time.pkl", _pickled({"conv1_w": np.zeros(1, "M8[s]")}), "'M8' values"),
        ("named.pkl", _pickled({"conv1_w": np.zeros(1, [("a", "f4")])}), "'V4' values"),
        ("long.pkl", _pickled({"conv1_w": np.zeros(1, np.longdouble)}), "'f16' values"),
        ("nan.pkl", _pickled({"conv1_w": ONES * np.nan}), "holds NaN"),
        ("author.pkl", _pickled({"__author__": "x", "conv1_w": ONES}), "__author__ is .* type str"),
        # names that Detectron2's matching takes for granted
        ("box.pkl", _pickled({"bbox_pred_w": np.float32(1)}), "cannot be matched"),
        (
            "twice.pkl",
            _pickled({"conv1_w": ONES, "conv1.weight": ONES}),
            "cannot be matched",
        ),
        # a ResNet encoder of another kind
        (
            "odd.pth",
            lambda path: torch.save({"core.encoder.conv1.weight": ONE}, path),
            "not a ResNet",
        ),
    ],
)
def test_files_that_are_no_weights_are_refused(
    tmp_path: Path, name: str, write: Callable[[Path], Any], words: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=words) as told:
        load_initial_weights(_tiny(), tmp_path / name)
    assert len(str(told.value).splitlines()) == 1
    assert str(told.value).startswith(str(tmp_path / name))
    assert not Path("/tmp/fewshot-was-here").exists()


def test_scalars_in_a_zoo_pickle_are_admitted(tmp_path: Path) -> None:
    saved = {key: value.numpy() for key, value in _tiny().state_dict().items()}
    content = {"model": saved, "__author__": "someone", "iteration": np.float64(3)}
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps(content))
    load_initial_weights(_with_other_start(), tmp_path / "zoo.pkl")


def _with_other_start() -> torch.nn.Module:
    torch.manual_seed(9)
    return build_network(build_config(DetectorSettings()))
