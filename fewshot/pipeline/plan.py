"""The stages of a run, ordered by what each reads and writes."""

from collections.abc import Callable
from typing import Any, Protocol

from fewshot.pipeline import (
    data,
    final,
    merging,
    prediction,
    radiologists,
    refining,
    reporting,
    scoring,
    soft_labelling,
    submission,
)
from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage, in_order


class StageModule(Protocol):
    """A module of stages; with `NAME` and `command` it also provides a command of that name."""

    def stages(self, layout: RunLayout) -> list[Stage]:
        """Return this module's stages of a run, as its settings ask for."""


STAGES: tuple[StageModule, ...] = (
    data,
    radiologists,
    soft_labelling,
    final,
    prediction,
    refining,
    merging,
    submission,
    scoring,
    reporting,
)


def stages(layout: RunLayout) -> list[Stage]:
    """Return all stages of a run in an executable order."""
    return in_order([stage for module in STAGES for stage in module.stages(layout)])


def commands() -> dict[str, Callable[..., Any]]:
    """Return the commands that run one stage on files, by name, in order.

    >>> list(commands())[:3]
    ['train-radiologists', 'soft-label', 'train-final']
    """
    modules = [vars(module) for module in STAGES]
    return {one["NAME"]: one["command"] for one in modules if "command" in one}
