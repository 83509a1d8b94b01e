"""What a kind of network brings to its training; the loop in `training.loop` does the rest."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fewshot.config.network import NetworkSettings
from fewshot.masks.predicted import SliceMasks
from fewshot.training.batches import Samples
from fewshot.training.job import TrainingJob
from fewshot.training.state import TrainingState

Sample = TypeVar("Sample")
Given = TypeVar("Given", bound=NetworkSettings)


@dataclass(frozen=True)
class Step:
    """The losses of some samples, which are summed, and other numbers for the learning curves."""

    losses: Mapping[str, Tensor]
    scalars: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Scores on the validation slices by name, and the predicted masks by image id, if any."""

    scores: Mapping[str, float]
    predictions: Mapping[int, SliceMasks] = field(default_factory=dict)


class TrainingTask(ABC, Generic[Sample, Given]):
    """One network to train: how it starts, what it sees, its losses and its evaluation.

    Creating a task costs nothing; `build` is called once an attempt, before anything else.
    """

    kept_score: str | None = None
    """The score of which the best weights are kept; the last weights are kept without one."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def settings(self) -> Given:
        """The settings of the network."""
        return cast(Given, self.job.settings)

    @abstractmethod
    def start_files(self) -> Sequence[Path]:
        """Return the files whose weights the training starts from; `InputError` if unavailable."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the network before the first iteration, on its device, in training mode."""

    @abstractmethod
    def optimizer(self, network: nn.Module) -> tuple[Optimizer, LRScheduler]:
        """Return an optimizer of the weights that are trained, and the course of its rate."""

    @abstractmethod
    def samples(self) -> Samples[Sample]:
        """Return the endless sequence of training samples, addressed by position from 0."""

    @abstractmethod
    def names(self, samples: Sequence[Sample]) -> list[str]:
        """Return the file names of the slices in samples, for messages."""

    @abstractmethod
    def losses(self, state: TrainingState, samples: list[Sample], iteration: int) -> Step:
        """Return the losses of a batch or a part of it; each is a mean over its slices."""

    @abstractmethod
    def evaluate(self, network: nn.Module) -> Evaluation:
        """Score a network, in evaluation mode, on the validation slices."""

    def finish(self, network: nn.Module) -> nn.Module:
        """Return the network to keep, given the trained one in evaluation mode."""
        return network

    def weights(self, network: nn.Module) -> dict[str, Any]:
        """Return what the weights file holds."""
        return {"model": network.state_dict()}

    def facts(self) -> dict[str, Any]:
        """Return what the model's description says besides of how it was made."""
        return {}

    def position(self) -> Any:
        """Return what a checkpoint has to keep besides the state, as plain values."""
        return None

    def resume(self, position: Any) -> None:
        """Continue from what `position` returned."""
