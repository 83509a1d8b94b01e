"""Killing a run at a chosen point: fewshot's writes and training steps are wrapped from outside.

The package itself knows nothing of this: a child process imports it, replaces a few functions by
ones that at the chosen moment send SIGKILL to their own process, and starts the run.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fewshot.files as files
import fewshot.training.curves as curves
import fewshot.training.loop as loop
from fewshot.run.names import RECORD
from fewshot.run.stages import Stage, StageRunner
from fewshot.training.model_folder import CHECKPOINT, WEIGHTS

POINTS = {
    "start": "before the stage's work",
    "write begun": "a temporary file was made, nothing is in it",
    "write half": "half of the first file's bytes are in the temporary file",
    "write done": "the first file is whole, but not yet renamed",
    "renamed": "the first file has its name, the stage is not recorded",
    "record": "the work is done, its record is half-written",
    "iteration": "in the middle of a training step, gradients made, weights not moved",
    "checkpoint half": "half of the second checkpoint is in its temporary file",
    "checkpoint new": "right after the second checkpoint got its name",
    "curve line": "half of a line of the learning curves is written",
    "model": "the weights are in place, the model's description is not",
}
TRAINING_POINTS = ("iteration", "checkpoint half", "checkpoint new", "curve line", "model")
GENERAL_POINTS = tuple(name for name in POINTS if name not in TRAINING_POINTS)


@dataclass
class Target:
    """Where to die: in which stage, at which point."""

    stage: str
    point: str
    active: bool = False  # the stage is running


def die() -> None:
    """End this process as the system does when it is out of memory or patience."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(target: Target) -> None:
    """Wrap fewshot so that this process dies at the target."""
    _watch_stages(target)
    _watch_writes(target)
    if target.point in TRAINING_POINTS:
        _watch_training(target)


def _watch_stages(target: Target) -> None:
    run = StageRunner.run

    def watched(self: StageRunner, stage: Stage) -> None:
        target.active = stage.name == target.stage
        dies = target.active and target.point == "start"
        run(self, replace(stage, work=die) if dies else stage)
        target.active = False

    StageRunner.run = watched  # type: ignore[method-assign]


def _watch_writes(target: Target) -> None:
    whole = files.atomic_path

    @contextmanager
    def watched(path: Path, needed: int | None = None, mode: int | None = None) -> Iterator[Path]:
        mine = target.active and _concerns(target, path)
        with whole(path, needed, mode) as temporary:
            if mine and target.point == "write begun":
                die()
            yield temporary
            if mine and target.point in ("write half", "checkpoint half", "record"):
                os.truncate(temporary, temporary.stat().st_size // 2)
                die()
            if mine and target.point == "write done":
                die()
        if mine and target.point in ("renamed", "checkpoint new", "model"):
            die()

    _replace_everywhere("atomic_path", whole, watched)


def _concerns(target: Target, path: Path) -> bool:
    is_record = path.name == RECORD
    if target.point == "record":
        return is_record
    if target.point.startswith("checkpoint"):
        return path.name == CHECKPOINT and path.exists()
    if target.point == "model":
        return path.name == WEIGHTS
    return not is_record


def _watch_training(target: Target) -> None:
    if target.point == "iteration":
        gradients = loop._Training._gradients
        count = iter(range(1000))

        def watched(self: Any, batch: list[Any]) -> Any:
            found = gradients(self, batch)
            if target.active and next(count) == 2:
                die()
            return found

        loop._Training._gradients = watched  # type: ignore[method-assign]
    if target.point == "curve line":
        append = curves.CurveFile.append
        calls = iter(range(1000))

        def torn(self: Any, line: dict[str, Any]) -> None:
            if target.active and next(calls) == 2:
                self._write('{"iteration": 2, "total_l')
                die()
            append(self, line)

        curves.CurveFile.append = torn  # type: ignore[method-assign]


def _replace_everywhere(name: str, old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Modules that imported a function by name hold it themselves."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("fewshot") and getattr(module, name, None) is old:
            setattr(module, name, new)
