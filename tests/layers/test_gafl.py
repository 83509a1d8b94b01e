"""The global adaptive filter: identity at the start, differentiable, non-negative, phase kept."""

import copy

import pytest
import torch
from torch import nn

from fewshot.layers.gafl import GlobalAdaptiveFilter, attach_input_filter


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def learned(channels: int = 1, size: int = 8) -> GlobalAdaptiveFilter:
    """A filter whose weights have moved away from one."""
    layer = GlobalAdaptiveFilter(channels, size)
    with torch.no_grad():
        layer.log_weights.copy_(noise(*layer.log_weights.shape, seed=1))
    return layer


@pytest.mark.parametrize("shape", [(2, 1, 512, 512), (1, 3, 160, 160), (1, 1, 97, 64)])
def test_it_starts_as_the_identity(shape: tuple[int, int, int, int]) -> None:
    images = 255 * torch.rand(shape, generator=torch.Generator().manual_seed(0))
    filtered = GlobalAdaptiveFilter(shape[1], 128)(images)
    assert torch.allclose(filtered, images, atol=1e-3)


def test_its_gradients_are_right() -> None:
    layer = learned(channels=2, size=6).double()
    images = noise(1, 2, 6, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (images,))

    def by_weights(log_weights: torch.Tensor) -> torch.Tensor:
        filtered: torch.Tensor = torch.func.functional_call(
            layer, {"log_weights": log_weights}, (images.detach(),)
        )
        return filtered

    assert torch.autograd.gradcheck(by_weights, (layer.log_weights.detach().requires_grad_(),))


def test_weights_are_never_negative_and_phases_stay() -> None:
    layer, images = learned(size=16), noise(1, 1, 16, 16)
    assert (layer.weights(16, 16) >= 0).all()
    before, after = torch.fft.rfft2(images), torch.fft.rfft2(layer(images))
    turned = torch.angle(after / before)
    # The first and last column are shared by two weights each; their mean is non-negative too.
    assert turned.abs().max() < 1e-4


def test_a_frequency_that_is_doubled_comes_out_doubled() -> None:
    layer = GlobalAdaptiveFilter(1, 32)
    with torch.no_grad():
        layer.log_weights[0, 16, 4] = torch.log(torch.tensor(2.0))  # no rows, 4 of 32 columns
    wave = torch.cos(2 * torch.pi * 4 * torch.arange(32) / 32).expand(1, 1, 32, 32)
    other = torch.cos(2 * torch.pi * 7 * torch.arange(32) / 32).expand(1, 1, 32, 32)
    assert torch.allclose(layer(wave + other), 2 * wave + other, atol=1e-4)


def test_weights_belong_to_frequencies_whatever_the_size_of_the_image() -> None:
    """What 4 waves over 32 pixels are to the filter, 16 waves over 128 pixels are too."""
    layer = GlobalAdaptiveFilter(1, 32)
    with torch.no_grad():
        layer.log_weights[0, 16, 4] = 1.0
    assert layer.weights(32, 32)[0, 0, 4].item() == pytest.approx(2.71828, rel=1e-4)
    assert layer.weights(128, 128)[0, 0, 16].item() == pytest.approx(2.71828, rel=1e-4)


def test_an_attached_filter_is_trained_saved_and_copied_with_its_module() -> None:
    module = nn.Conv2d(1, 2, 3)
    images = noise(1, 1, 16, 16)
    plain = module(images)
    attach_input_filter(module, GlobalAdaptiveFilter(1, 16))
    assert torch.allclose(module(images), plain, atol=1e-5)
    assert "input_filter.log_weights" in module.state_dict()
    twin = copy.deepcopy(module)
    module(images).sum().backward()
    assert module.get_parameter("input_filter.log_weights").grad is not None
    with torch.no_grad():
        module.get_parameter("input_filter.log_weights").fill_(1.0)
    assert torch.allclose(twin(images), plain, atol=1e-5)
    assert not torch.allclose(module(images), plain, atol=1e-2)


def test_it_computes_exactly_under_autocast() -> None:
    images = 255 * torch.rand(1, 1, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        filtered = GlobalAdaptiveFilter(1, 32)(images)
    assert torch.allclose(filtered, images, atol=1e-3)


def test_it_fits_in_front_of_sams_image_encoder() -> None:
    """The real encoder of the package, small: the same embedding at first, then one that learns."""
    modeling = pytest.importorskip("segment_anything.modeling.image_encoder")
    torch.manual_seed(0)
    encoder = modeling.ImageEncoderViT(
        img_size=64, patch_size=16, embed_dim=16, depth=1, num_heads=2, out_chans=8
    )
    images = noise(1, 3, 64, 64)
    plain = encoder(images)
    attach_input_filter(encoder, GlobalAdaptiveFilter(3, 64))
    assert torch.allclose(encoder(images), plain, atol=1e-4)
    encoder(images).square().sum().backward()
    gradient = encoder.get_parameter("input_filter.log_weights").grad
    assert gradient is not None
    assert gradient.abs().max() > 0
