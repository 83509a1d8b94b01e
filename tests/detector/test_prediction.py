"""Prediction: batches answer as single slices do, in the slice's own pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.prediction import predict_slices
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.slices.images import write_image
from fewshot.training.model_folder import TrainedNetwork


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(build_config(DetectorSettings())).eval()


def _detector(network: torch.nn.Module, **changes: object) -> TrainedNetwork:
    settings = DetectorSettings.model_validate({"weights": "none", **changes})
    return TrainedNetwork(network, settings, "steady")


def test_the_size_of_a_batch_does_not_change_the_answer(
    network: torch.nn.Module, miniature: SliceSet
) -> None:
    alone = list(predict_slices(_detector(network, prediction_batch_size=1), miniature))
    together = list(predict_slices(_detector(network, prediction_batch_size=4), miniature))
    assert [one.image_id for one in alone] == [record.image_id for record in miniature.records]
    for one, other in zip(alone, together, strict=True):
        assert len(one) == len(other) > 0
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        differing = np.count_nonzero(one.decode() != other.decode())
        assert differing <= 1e-3 * one.decode().size


def test_masks_are_what_detectron2_answers(network: torch.nn.Module, miniature: SliceSet) -> None:
    from fewshot.detector.data import prediction_sample

    first = miniature.subset([0])
    found = next(iter(predict_slices(_detector(network), first)))
    with torch.inference_mode():
        expected = network([prediction_sample(first, first.records[0], None)])[0]["instances"]
    kept = expected.pred_masks.any(dim=(1, 2))
    np.testing.assert_allclose(found.scores, expected.scores[kept].numpy(), atol=1e-5)
    assert np.mean(found.decode() == expected.pred_masks[kept].numpy()) > 0.999
    assert set(found.sources) == {"steady"}


@pytest.mark.parametrize("input_size", [None, 96])
def test_slices_that_are_not_square(
    network: torch.nn.Module, tmp_path: Path, input_size: int | None
) -> None:
    rng = np.random.default_rng(0)
    write_image(tmp_path / "0.png", rng.integers(0, 255, (48, 80), dtype=np.uint8))
    slices = SliceSet(tmp_path, (SliceRecord(0, "0.png", 48, 80),), {})
    found = next(iter(predict_slices(_detector(network, input_size=input_size), slices)))
    assert found.decode().shape[1:] == (48, 80)
    assert len(found) > 0
    assert np.all(found.boxes[:, 2] <= 80)
    assert np.all(found.boxes[:, 3] <= 48)


def test_scores_come_best_first(network: torch.nn.Module, miniature: SliceSet) -> None:
    for found in predict_slices(_detector(network), miniature):
        assert np.all(np.diff(found.scores) <= 0)
