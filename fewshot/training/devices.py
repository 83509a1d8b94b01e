"""Devices to compute on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fewshot.errors import InputError


def resolve_device(device: str) -> str:
    """Return `cpu` or `cuda` for `auto`, `cpu` or `cuda`; `InputError` if CUDA is unavailable."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: no CUDA device is visible; use --device cpu, or check the driver")
    return device


def device_of(network: nn.Module) -> str:
    """Return the device of a network, `cpu` or `cuda`."""
    return next(network.parameters()).device.type


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormal numbers, which decayed Adam moments become; steps take 2.5 times as long."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
