"""Folding normalisations: the same answers from fewer layers."""

import copy

import pytest
import torch
from torch import nn

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.fusion import prepare_for_prediction

R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


@pytest.mark.parametrize("architecture", ["tiny", R50])
def test_features_stay_the_same(architecture: str) -> None:
    torch.manual_seed(0)
    settings = DetectorSettings(architecture=architecture)
    network = build_network(build_config(settings)).eval()
    backbone, image = network.get_submodule("backbone"), torch.rand(1, 3, 64, 64)
    for name, value in backbone.named_buffers():
        # Statistics as after training, not zeros and ones.
        if name.endswith("running_mean"):
            value.copy_(0.2 * torch.rand_like(value) - 0.1)
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand_like(value))
    prepared = prepare_for_prediction(copy.deepcopy(network)).get_submodule("backbone")
    with torch.inference_mode():
        before, after = backbone(image), prepared(image)
    for level, features in before.items():
        scale = features.abs().max()
        assert scale > 0
        torch.testing.assert_close(after[level] / scale, features / scale, atol=1e-4, rtol=1e-3)
    kinds = {type(module).__name__ for module in prepared.modules()}
    assert not kinds & {"BatchNorm2d", "FrozenBatchNorm2d"}


def test_a_convolution_with_a_bias_of_its_own() -> None:
    from detectron2.layers import Conv2d

    torch.manual_seed(0)
    layer = Conv2d(2, 3, 3, bias=True, norm=nn.BatchNorm2d(3)).eval()
    layer.norm.running_mean.uniform_()
    layer.norm.running_var.uniform_(0.5, 2)
    x = torch.rand(1, 2, 8, 8)
    expected = layer(x).detach()
    torch.testing.assert_close(prepare_for_prediction(layer)(x), expected, atol=1e-5, rtol=1e-4)
    assert layer.norm is None
