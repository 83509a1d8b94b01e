"""Small networks that damaged weights are loaded into; each is built once."""

from functools import lru_cache

import torch
from torch import nn

from fewshot.config.tree import DetectorSettings
from fewshot.training.ema import running_mean
from fewshot.training.precision import Precision
from fewshot.training.state import TrainingState, make_optimizer, one_cycle


def detector() -> nn.Module:
    """Return a tiny Mask R-CNN, always the same and with the same weights."""
    network, weights = _built()
    network.load_state_dict(weights)
    return network


@lru_cache(maxsize=1)
def _built() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    from fewshot.detector.architecture import build_config, build_network

    network = build_network(build_config(DetectorSettings()))
    return network, {name: value.clone() for name, value in network.state_dict().items()}


def training_state(steps: int = 0) -> TrainingState:
    """Return the state of a training of two layers after some steps."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = make_optimizer(network.parameters(), "adamw", 0.01, 0.1)
    schedule = one_cycle(optimizer, 0.01, 10)
    average = running_mean(network, 0.9)
    state = TrainingState(network, optimizer, schedule, Precision("off", "cpu"), average)
    for _ in range(steps):
        network(torch.ones(5, 3)).sum().backward()
        optimizer.step()
        schedule.step()
    return state
