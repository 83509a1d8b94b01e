"""Architectures: the tiny recipe, the model zoo by name, and what is refused."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network, zoo_architectures
from fewshot.errors import InputError

R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


def refused(words: str) -> AbstractContextManager[object]:
    return pytest.raises(InputError, match=words)


@pytest.mark.parametrize(
    ("changes", "expectation"),
    [
        # the recipe of this project, and a zoo model with and without its ending
        ({"architecture": "tiny"}, nullcontext()),
        ({"architecture": R50}, nullcontext()),
        ({"architecture": R50.removesuffix(".yaml")}, nullcontext()),
        # a slip of the pen is answered with the nearest name
        ({"architecture": "mask_rcnn_R_50_FPM_3x"}, refused("unknown architecture; did you mean")),
        # a detector without masks is of no use here
        (
            {"architecture": "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml"},
            refused("unknown architecture"),
        ),
        # Detectron2's own keys pass through
        ({"options": ("MODEL.RPN.NMS_THRESH", 0.6)}, nullcontext()),
        # unknown keys and wrong types name the setting
        ({"options": ("MODEL.RPN.NMS_TRESH", 0.6)}, refused("detector.options: .*NMS_TRESH")),
        ({"options": ("MODEL.RPN.NMS_THRESH", "high")}, refused("detector.options")),
    ],
)
def test_architectures(
    changes: dict[str, object], expectation: AbstractContextManager[object]
) -> None:
    settings = DetectorSettings.model_validate(changes)
    with expectation:
        config = build_config(settings)
        assert config.MODEL.MASK_ON
        assert config.MODEL.ROI_HEADS.NUM_CLASSES == 1
        assert config.INPUT.MASK_FORMAT == "bitmask"


def test_options_reach_the_configuration() -> None:
    settings = DetectorSettings(options=("MODEL.RPN.NMS_THRESH", 0.6), max_masks=7)
    config = build_config(settings)
    assert (config.MODEL.RPN.NMS_THRESH, config.TEST.DETECTIONS_PER_IMAGE) == (0.6, 7)


def test_every_zoo_architecture_has_a_configuration() -> None:
    names = zoo_architectures()
    assert "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x.yaml" in names
    for name in names:
        assert build_config(DetectorSettings(architecture=name)).MODEL.MASK_ON


def test_the_tiny_network_has_the_size_of_the_recipe() -> None:
    network = build_network(build_config(DetectorSettings()))
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(12.3e6, rel=0.01)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with refused("no CUDA device"):
        build_config(DetectorSettings(), "cuda")
