"""What a kind of network provides for its training; `training.loop` does the rest."""

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
    """Losses of samples, to be summed, and other scalars for the learning curves."""

    losses: Mapping[str, Tensor]
    scalars: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Validation scores by name, and predicted masks by image id, if any."""

    scores: Mapping[str, float]
    predictions: Mapping[int, SliceMasks] = field(default_factory=dict)


class TrainingTask(ABC, Generic[Sample, Given]):
    """The training of one network: initial weights, samples, losses and evaluation.

    Creating a task is cheap; `build` is called once per attempt, before anything else.
    """

    kept_score: str | None = None
    """The score whose best weights are kept; if None, the last weights are kept."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def settings(self) -> Given:
        """The settings of the network."""
        return cast(Given, self.job.settings)

    @abstractmethod
    def start_files(self) -> Sequence[Path]:
        """Return the files of initial weights; `InputError` if they are unavailable."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the network before the first iteration, on its device, in training mode."""

    @abstractmethod
    def optimizer(self, network: nn.Module) -> tuple[Optimizer, LRScheduler]:
        """Return the optimizer of the trainable weights, and its learning-rate schedule."""

    @abstractmethod
    def samples(self) -> Samples[Sample]:
        """Return the endless sequence of training samples, addressed by position from 0."""

    @abstractmethod
    def names(self, samples: Sequence[Sample]) -> list[str]:
        """Return the file names of the slices in samples, for messages."""

    @abstractmethod
    def losses(self, state: TrainingState, samples: list[Sample], iteration: int) -> Step:
        """Return the losses of a batch or a part of it, each a mean over slices."""

    @abstractmethod
    def evaluate(self, network: nn.Module) -> Evaluation:
        """Score a network, in evaluation mode, on the validation slices."""

    def finish(self, network: nn.Module) -> nn.Module:
        """Return the network to keep, given the trained one in evaluation mode."""
        return network

    def weights(self, network: nn.Module) -> dict[str, Any]:
        """Return the contents of the weights file."""
        return {"model": network.state_dict()}

    def facts(self) -> dict[str, Any]:
        """Return further values for `training` in the model's description."""
        return {}

    def position(self) -> Any:
        """Return what a checkpoint must keep in addition to the state, as plain values."""
        return None

    def resume(self, position: Any) -> None:
        """Resume from what `position` returned."""
