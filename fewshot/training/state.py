"""The state of a training that a checkpoint keeps: network, running mean, optimiser, chance."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from fewshot.training.precision import Precision
from fewshot.training.schema import check_alike, check_optimizer

_LEAST_RATE = 0.01  # at the end of a cosine, of the learning rate


@dataclass
class TrainingState:
    """What changes while a network is trained; `average` is the running mean where there is one."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    precision: Precision
    average: AveragedModel | None = None

    @property
    def result(self) -> nn.Module:
        """The network that is evaluated and kept: the running mean where there is one."""
        return self.network if self.average is None else self.average.module

    def content(self) -> dict[str, Any]:
        """Return all of it, and where the random numbers stand, as a checkpoint holds it.

        Weights that are not trained are left out: they are those of the start.
        """
        frozen = self._frozen()
        weights = self.network.state_dict()
        return {
            "network": {name: one for name, one in weights.items() if name not in frozen},
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.last_epoch,
            "scaler": self.precision.scaler.state_dict(),
            "random_state": torch.get_rng_state(),
            "cuda_random_state": list(torch.cuda.get_rng_state_all()),
        }

    def check(self, content: dict[str, Any], path: Path) -> None:
        """Raise `InputError` unless a checkpoint's content is of a training like this one."""
        own = self.content()
        # What is known of the number of GPUs and their precision is not part of the training.
        own |= {"scaler": {}, "cuda_random_state": []}
        check_alike(content, own, path)
        check_optimizer(content["optimizer"], self.optimizer, path)

    def restore(self, content: dict[str, Any]) -> None:
        """Continue from what `content` returned, in a state that is as it was at the start."""
        kept = {
            name: one for name, one in self.network.state_dict().items() if name in self._frozen()
        }
        self.network.load_state_dict({**kept, **content["network"]})
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        # The optimiser's state holds the current rate; the next ones follow from the position.
        self.schedule.last_epoch = content["schedule"]
        self.precision.scaler.load_state_dict(content["scaler"])
        torch.set_rng_state(content["random_state"])
        if content["cuda_random_state"]:
            torch.cuda.set_rng_state_all(content["cuda_random_state"])

    def slow_down(self, factor: float) -> None:
        """Multiply the learning rate, from now to the end, by a factor."""
        for group in self.optimizer.param_groups:
            for rate in ("lr", "initial_lr", "max_lr", "min_lr"):
                if rate in group:
                    group[rate] *= factor
        self.schedule.base_lrs = [rate * factor for rate in self.schedule.base_lrs]

    def _frozen(self) -> set[str]:
        return {name for name, one in self.network.named_parameters() if not one.requires_grad}


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    kind: Literal["adamw", "sgd"],
    learning_rate: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """Return AdamW, or gradient descent with momentum 0.9, over the parameters that are trained.

    AdamW is the fused one: on a CPU it passes over the weights once a step, not a dozen times.
    """
    trained = [value for value in parameters if value.requires_grad]
    if kind == "adamw":
        return torch.optim.AdamW(trained, learning_rate, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(trained, learning_rate, momentum=0.9, weight_decay=weight_decay)


def one_cycle(
    optimizer: torch.optim.Optimizer, learning_rate: float, iterations: int
) -> OneCycleLR:
    """Return a schedule that climbs to the learning rate and then falls to next to nothing."""
    return OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=iterations + 1, cycle_momentum=False
    )


def warm_cosine(optimizer: torch.optim.Optimizer, iterations: int, warm_up: float) -> LambdaLR:
    """Return a schedule that rises in a part of the iterations, then falls by half a cosine."""
    rise = max(1, round(warm_up * iterations))

    def share(iteration: int) -> float:
        if iteration < rise:
            return (iteration + 1) / rise
        place = (iteration - rise) / max(1, iterations - rise)
        return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * place)) / 2

    return LambdaLR(optimizer, share)
