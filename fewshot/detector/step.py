"""One step of a training: losses and gradients of a batch, checked before they move a weight."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from detectron2.engine import SimpleTrainer
from torch import nn

from fewshot.detector.data import Sample
from fewshot.errors import FewshotError
from fewshot.progress import warn
from fewshot.training.precision import Precision

Relabel = Callable[[list[Sample], int], list[Sample]]


class NotFiniteError(FewshotError):
    """A loss, a gradient or a weight became infinite or NaN: what follows would be worthless."""


@dataclass
class Course:
    """What a training had to change about itself on the way; part of its checkpoints.

    Attributes:
        part_size: how many slices of a batch are computed at once; 0 is all of them.
        lowered: how often the learning rate was lowered.
        incidents: what happened, for the model's description.
    """

    part_size: int = 0
    lowered: int = 0
    incidents: list[dict[str, Any]] = field(default_factory=list)

    def note(self, iteration: int, what: str) -> None:
        """Keep what happened at an iteration, and say it."""
        self.incidents.append({"iteration": iteration, "what": what})
        warn(f"iteration {iteration}: {what}")


class SliceTrainer(SimpleTrainer):  # type: ignore[misc]
    """Detectron2's trainer with autocast, a bound on the gradient's norm, and its checks."""

    def __init__(
        self,
        network: nn.Module,
        batches: Any,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        largest_norm: float,
        course: Course,
        relabel: Relabel | None = None,
    ) -> None:
        super().__init__(network, batches, optimizer)
        self._precision = precision
        self._largest_norm = largest_norm
        self._course = course
        self._relabel = relabel
        self.summary = ""

    def run_step(self) -> None:
        """Do one iteration.

        Raises `NotFiniteError` when a loss or the gradient is infinite or NaN, before any weight
        has changed; `FewshotError` when the memory does not even suffice for one slice.
        """
        batch: list[Sample] = next(self._data_loader_iter)
        if self._relabel is not None:
            batch = self._relabel(batch, self.iter)
        losses = self._losses(batch)
        self._record(losses, batch)
        scaler = self._precision.scaler
        scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._largest_norm)
        # The scaler of float16 passes over steps with such a gradient by itself.
        if not scaler.is_enabled() and not bool(torch.isfinite(norm)):
            raise self._not_finite("the gradient", losses, batch)
        scaler.step(self.optimizer)
        scaler.update()

    def _losses(self, batch: list[Sample]) -> dict[str, float]:
        """Leave the gradients of a batch, and return its losses; halve it while memory is short."""
        while True:
            try:
                return self._accumulate(batch)
            except torch.OutOfMemoryError as error:
                reason = str(error).split(". ")[0]
            except FloatingPointError as error:  # Detectron2's own check of the proposals
                raise self._not_finite("a proposal", {}, batch) from error
            self.optimizer.zero_grad()
            torch.cuda.empty_cache()
            self._halve(len(batch), reason)

    def _accumulate(self, batch: list[Sample]) -> dict[str, float]:
        self.optimizer.zero_grad()
        sums: dict[str, float] = {}
        for part in _parts(batch, self._course.part_size or len(batch)):
            with self._precision.autocast():
                losses = self.model(part)
                total = sum(losses.values())
            share = len(part) / len(batch)
            self._precision.scaler.scale(total if share == 1 else total * share).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) * share
        return sums

    def _halve(self, size: int, reason: str) -> None:
        now = self._course.part_size or size
        if now == 1:
            raise FewshotError(
                f"iteration {self.iter}: the memory does not suffice for one slice ({reason}); "
                "use a smaller detector.input_size or architecture"
            )
        self._course.part_size = (now + 1) // 2
        self._course.note(
            self.iter,
            f"out of memory; from here on batches of {size} are computed "
            f"{self._course.part_size} at a time",
        )

    def _record(self, losses: dict[str, float], batch: list[Sample]) -> None:
        try:
            self._write_metrics({name: torch.tensor(one) for name, one in losses.items()}, 0.0)
        except FloatingPointError as error:
            raise self._not_finite("a loss", losses, batch) from error
        self.summary = f"loss {sum(losses.values()):.2f}"

    def _not_finite(
        self, what: str, losses: dict[str, float], batch: list[Sample]
    ) -> NotFiniteError:
        values = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
        values = f" ({values})" if values else ""
        names = ", ".join(sample["file_name"] for sample in batch)
        return NotFiniteError(
            f"iteration {self.iter}: {what} became infinite or NaN{values} on the slices "
            f"{names}; lower the learning rate, or look at these slices and their labels"
        )


def check_finite(network: nn.Module, iteration: int) -> None:
    """Raise `NotFiniteError` when a weight is infinite or NaN, so that it is never saved."""
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise NotFiniteError(
                f"iteration {iteration}: the weights {name} became infinite or NaN; lower the "
                "learning rate"
            )


def _parts(batch: list[Sample], size: int) -> Iterator[list[Sample]]:
    for start in range(0, len(batch), size):
        yield batch[start : start + size]
