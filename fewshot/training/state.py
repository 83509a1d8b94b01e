"""The state of a training in a checkpoint: network, average, optimizer, random numbers."""

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

_LEAST_RATE = 0.01  # final learning rate of the cosine schedule, relative to the peak


@dataclass
class TrainingState:
    """The state that changes during training; `average` is the moving average, if any."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    precision: Precision
    average: AveragedModel | None = None

    @property
    def result(self) -> nn.Module:
        """The network to evaluate and keep: the moving average, if any."""
        return self.network if self.average is None else self.average.module

    def content(self) -> dict[str, Any]:
        """Return the state, with that of the random numbers, for a checkpoint.

        Frozen weights are left out, as they equal the initial ones.
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
        """Raise `InputError` unless a checkpoint's content fits this training."""
        own = self.content()
        # A checkpoint may be from a machine with other GPUs.
        own |= {"scaler": {}, "cuda_random_state": []}
        check_alike(content, own, path)
        check_optimizer(content["optimizer"], self.optimizer, path)

    def restore(self, content: dict[str, Any]) -> None:
        """Restore what `content` returned into a state that has not been trained yet."""
        kept = {
            name: one for name, one in self.network.state_dict().items() if name in self._frozen()
        }
        self.network.load_state_dict({**kept, **content["network"]})
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        # The optimizer's state has the current rate; the next ones follow from the position.
        self.schedule.last_epoch = content["schedule"]
        self.precision.scaler.load_state_dict(content["scaler"])
        torch.set_rng_state(content["random_state"])
        if content["cuda_random_state"]:
            torch.cuda.set_rng_state_all(content["cuda_random_state"])

    def slow_down(self, factor: float) -> None:
        """Multiply all further learning rates by a factor."""
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
    """Return AdamW (fused, which is faster on a CPU), or SGD with momentum 0.9."""
    trained = [value for value in parameters if value.requires_grad]
    if kind == "adamw":
        return torch.optim.AdamW(trained, learning_rate, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(trained, learning_rate, momentum=0.9, weight_decay=weight_decay)


def one_cycle(
    optimizer: torch.optim.Optimizer, learning_rate: float, iterations: int
) -> OneCycleLR:
    """Return a one-cycle schedule: up to the learning rate, then down to almost zero."""
    return OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=iterations + 1, cycle_momentum=False
    )


def warm_cosine(optimizer: torch.optim.Optimizer, iterations: int, warm_up: float) -> LambdaLR:
    """Return a schedule with linear warm-up over a fraction of iterations and cosine decay."""
    rise = max(1, round(warm_up * iterations))

    def share(iteration: int) -> float:
        if iteration < rise:
            return (iteration + 1) / rise
        place = (iteration - rise) / max(1, iterations - rise)
        return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * place)) / 2

    return LambdaLR(optimizer, share)
