"""Exponential moving average (EMA) of a network's weights over its training."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def running_mean(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the network to update after each step by `update_parameters(network)`.

    After step t (from 1) it is m := d m + (1 - d) w with d = min(decay, t / (t + 9)), over weights
    and buffers; the first step copies. The small early d reduce the influence of the random start.

    Source: A. Tarvainen and H. Valpola, Mean teachers are better role models, NIPS 2017.
    """

    # All tensors at once: one by one takes three times as long.
    def average(means: Tensors, weights: Tensors, steps: Tensor | int) -> None:
        if means[0].is_floating_point():
            rate = 1 - min(decay, decay_at(int(steps) + 1))
            torch._foreach_lerp_(means, weights, rate)
        else:
            for mean, weight in zip(means, weights, strict=True):
                mean.copy_(weight)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def decay_at(step: int) -> float:
    """Return the decay of an early step, before the settings' decay is reached."""
    return step / (step + 9)
