import copy

import torch
from torch import nn

from fewshot.training.state import make_optimizer


def _trained(optimizer: torch.optim.Optimizer, network: nn.Module) -> list[torch.Tensor]:
    for step in range(5):
        optimizer.zero_grad()
        network(torch.full((2, 3), float(step))).square().sum().backward()
        optimizer.step()
    return [value.detach().clone() for value in network.parameters()]


def _network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    network[0].bias.requires_grad_(False)
    return network


def test_adamw_is_the_plain_one_on_the_weights_that_are_trained() -> None:
    ours, plain = _network(), _network()
    trained = _trained(make_optimizer(ours.parameters(), "adamw", 0.01, 0.1), ours)
    step_by_step = torch.optim.AdamW(plain.parameters(), 0.01, weight_decay=0.1, foreach=False)
    for value, expected in zip(trained, _trained(step_by_step, plain), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(trained[1], _network()[0].bias)  # type: ignore[index]


def test_an_interrupted_training_of_a_step_by_step_adamw_goes_on() -> None:
    network, other = _network(), _network()
    trained = [value for value in network.parameters() if value.requires_grad]
    old = torch.optim.AdamW(trained, 0.01, weight_decay=0.1, foreach=False)
    _trained(old, network)
    other.load_state_dict(network.state_dict())
    resumed = make_optimizer(other.parameters(), "adamw", 0.01, 0.1)
    resumed.load_state_dict(copy.deepcopy(old.state_dict()))
    for value, expected in zip(_trained(resumed, other), _trained(old, network), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
