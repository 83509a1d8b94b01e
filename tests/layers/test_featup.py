"""Joint-bilateral upsampling: constants stay, edges are sharper than bilinear ones, it learns."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fewshot.layers.featup import Downsampler, FeatureUpsampler, train_upsampler


def scene(size: int = 64, batch: int = 1, seed: int = 0) -> Tensor:
    """Bright discs on dark ground, (batch, 1, size, size), levels 0–1."""
    chance = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images = torch.zeros(batch, 1, size, size)
    for image in images:
        for _ in range(3):
            row, column, radius = torch.rand(3, generator=chance) * size
            inside = (rows - row) ** 2 + (columns - column) ** 2 < (6 + radius / 5) ** 2
            image[0][inside] = 0.9
    return images


def coarse(image: Tensor, factor: int = 4) -> Tensor:
    """Features that tell disc from ground, at a `factor`th of the resolution."""
    bright = functional.avg_pool2d(image, factor)
    return torch.cat([bright, 1 - bright, 0.5 * bright], dim=1)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_constant_features_stay_constant(steps: int) -> None:
    torch.manual_seed(0)
    upsampler = FeatureUpsampler(steps, guides=1)
    for parameter in upsampler.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    image = scene(64)
    features = torch.full((1, 5, 64 >> steps, 64 >> steps), 2.5)
    upsampled = upsampler(features, image)
    assert upsampled.shape == (1, 5, 64, 64)
    assert torch.allclose(upsampled, torch.full_like(upsampled, 2.5), atol=1e-5)


def test_edges_are_sharper_than_bilinear_ones() -> None:
    """Of features at a quarter of the resolution, the error at the discs' edges at least halves."""
    image = scene(64)
    truth = coarse(image, 1)
    features = coarse(image, 4)
    joint = FeatureUpsampler(2, guides=1)(features, image)
    bilinear = functional.interpolate(features, (64, 64), mode="bilinear", align_corners=False)
    errors = [float((one.detach() - truth).square().mean()) for one in (joint, bilinear)]
    assert errors[0] < 0.5 * errors[1]


def test_training_by_views_lowers_its_loss_and_keeps_the_encoder() -> None:
    torch.manual_seed(0)
    encoder = torch.nn.Conv2d(1, 8, 5, stride=4, padding=2).requires_grad_(False)
    before = encoder.weight.clone()
    upsampler = FeatureUpsampler(2, guides=1, radius=1)

    def losses(seed: int, iterations: int) -> list[float]:
        batches = (scene(64, 2, seed=number) for number in range(iterations))
        return train_upsampler(
            upsampler, encoder, batches, learning_rate=0.02, channels=4, seed=seed
        )

    course = losses(0, 30)
    assert sum(course[-5:]) < sum(course[:5]) - 0.5
    assert torch.equal(encoder.weight, before)


def test_the_way_down_is_a_mean() -> None:
    down = Downsampler(4)
    assert torch.allclose(down(torch.full((1, 2, 8, 8), 3.0)), torch.full((1, 2, 2, 2), 3.0))
