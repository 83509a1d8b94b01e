"""A model carries its preprocessing: whoever predicts with it need not know of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.prediction import load_detector, predict_slices
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.preprocess.compose import preprocess
from fewshot.slices.images import read_image, write_image
from fewshot.training.model_folder import TrainedNetwork, save_trained

CLAHE = PreprocessSettings.model_validate(["clahe"])
CHANNELS = PreprocessSettings.model_validate({"channels": [["clahe"], ["sobel"], []]})


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(build_config(DetectorSettings())).eval()


def save(network: torch.nn.Module, folder: Path, wanted: PreprocessSettings) -> Path:
    settings = DetectorSettings(weights="none")
    save_trained(TrainedNetwork(network, settings, "final", wanted), folder)
    return folder


@pytest.mark.parametrize(
    ("wanted", "on_read"),
    [(CLAHE, AS_READ), (CHANNELS, PreprocessSettings(input="colour"))],
    ids=["grey", "channels"],
)
def test_a_loaded_model_sees_what_it_would_see_of_slices_that_were_preprocessed_on_the_disk(
    network: torch.nn.Module,
    miniature: SliceSet,
    tmp_path: Path,
    wanted: PreprocessSettings,
    on_read: PreprocessSettings,
) -> None:
    few = miniature.subset([0, 1])
    for record in few.records:
        done = preprocess(read_image(few.path_of(record)), wanted)
        write_image(tmp_path / "slices" / record.file_name, done)
    detector = load_detector(save(network, tmp_path / "model", wanted), "cpu")
    assert detector.preprocess == wanted
    plain = load_detector(save(network, tmp_path / "plain", on_read), "cpu")

    found = list(predict_slices(detector, few))
    expected = list(predict_slices(plain, replace(few, images=tmp_path / "slices")))
    otherwise = list(predict_slices(replace(detector, preprocess=AS_READ), few))

    for one, same, other in zip(found, expected, otherwise, strict=True):
        np.testing.assert_array_equal(one.scores, same.scores)
        np.testing.assert_array_equal(one.decode(), same.decode())
        assert one.scores.shape != other.scores.shape or (one.scores != other.scores).any()


def test_a_model_from_before_preprocessing_is_read_as_one_without(
    network: torch.nn.Module, tmp_path: Path
) -> None:
    path = save(network, tmp_path, CLAHE) / "model.json"
    description = json.loads(path.read_text())
    del description["preprocess"]
    path.write_text(json.dumps(description))
    assert load_detector(tmp_path, "cpu").preprocess == AS_READ


def test_a_damaged_description_is_one_line(network: torch.nn.Module, tmp_path: Path) -> None:
    path = save(network, tmp_path, CLAHE) / "model.json"
    path.write_text(path.read_text().replace('"clahe"', '"magic"'))
    with pytest.raises(InputError, match=r"model\.json: its settings are damaged"):
        load_detector(tmp_path, "cpu")
