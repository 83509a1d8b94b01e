"""Mixed precision: the number format that a network computes in."""

from contextlib import AbstractContextManager
from typing import Any

import torch


class Precision:
    """Autocast and gradient scaling for a setting and a device.

    `auto` means bfloat16 on GPUs that support it, float16 on older ones, and float32 on the CPU.
    """

    def __init__(self, setting: str, device: str) -> None:
        if setting == "auto":
            on_gpu = (
                "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float16"
            )
            setting = on_gpu if device == "cuda" else "off"
        self._device = device
        self._dtype = None if setting == "off" else getattr(torch, setting)
        self.scaler: Any = torch.amp.GradScaler(device, enabled=setting == "float16")

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which the network computes in the chosen format."""
        return torch.autocast(self._device, self._dtype, enabled=self._dtype is not None)
