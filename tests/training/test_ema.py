"""The running mean of weights equals its formula, and copies buffers of whole numbers."""

import torch
from torch import nn

from fewshot.training.ema import running_mean


def test_the_mean_is_its_formula() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    mean = running_mean(network, decay=0.6)
    expected: dict[str, torch.Tensor] = {}
    for step in range(1, 30):
        network(torch.randn(5, 3))  # moves the buffers
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        mean.update_parameters(network)
        decay = 0.0 if step == 1 else min(0.6, step / (step + 9))
        for name, value in network.state_dict().items():
            old = expected.get(name, value)
            expected[name] = (
                (decay * old + (1 - decay) * value) if value.is_floating_point() else value.clone()
            )
    for name, value in mean.module.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    assert int(mean.module.state_dict()["1.num_batches_tracked"]) == 29
