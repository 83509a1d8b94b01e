"""Recovery of a training from NaN or infinite values and from lack of memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from fewshot.errors import FewshotError
from fewshot.progress import warn

_Sample = TypeVar("_Sample")
_Answer = TypeVar("_Answer")


class NotFiniteError(FewshotError):
    """A loss, a gradient or a weight became infinite or NaN."""


@dataclass
class RecoveryLog:
    """Changes that a training had to make on the way; part of its checkpoints.

    Attributes:
        part_size: number of slices of a batch computed at once; 0 for all.
        lowered: how often the learning rate was lowered.
        incidents: what happened, for the model's description.
    """

    part_size: int = 0
    lowered: int = 0
    incidents: list[dict[str, Any]] = field(default_factory=list)

    def note(self, iteration: int, what: str) -> None:
        """Record what happened at an iteration, and print it."""
        self.incidents.append({"iteration": iteration, "what": what})
        warn(f"iteration {iteration}: {what}")

    def halve(self, iteration: int, batch_size: int, reason: str) -> None:
        """Compute half as many slices at once; `FewshotError` if it was only one."""
        now = self.part_size or batch_size
        if now == 1:
            raise FewshotError(
                f"iteration {iteration}: out of memory with a single slice ({reason}); use smaller "
                "slices (detector.input_size), a smaller architecture, or --device cpu"
            )
        self.part_size = (now + 1) // 2
        self.note(
            iteration,
            f"out of memory; from here on batches of {batch_size} are computed "
            f"{self.part_size} at a time",
        )


def not_finite(
    iteration: int, what: str, losses: Mapping[str, float], names: list[str]
) -> NotFiniteError:
    """Return the error for a loss or gradient of a batch, with its losses and slices."""
    values = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
    shown = f" ({values})" if values else ""
    return NotFiniteError(
        f"iteration {iteration}: {what} became infinite or NaN{shown} on the "
        f"slices {', '.join(names)}; lower the learning rate, or check these slices and "
        "their labels"
    )


def check_weights(network: nn.Module, iteration: int) -> None:
    """Raise `NotFiniteError` if a weight is infinite or NaN, so that it is never saved."""
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise NotFiniteError(
                f"iteration {iteration}: the weights {name} became infinite or NaN; lower the "
                "learning rate"
            )


def in_halves(
    ask: Callable[[list[_Sample]], list[_Answer]], samples: list[_Sample], name: str
) -> list[_Answer]:
    """Return a network's predictions of samples, in halves if memory is too small."""
    try:
        return ask(samples)
    except torch.OutOfMemoryError as error:
        if len(samples) == 1:
            raise FewshotError(
                f"{name}: out of memory with a single slice; use smaller slices "
                "(detector.input_size), or --device cpu"
            ) from error
    torch.cuda.empty_cache()
    half = (len(samples) + 1) // 2
    warn(f"{name}: out of memory; {len(samples)} slices are predicted {half} at a time")
    return in_halves(ask, samples[:half], name) + in_halves(ask, samples[half:], name)
