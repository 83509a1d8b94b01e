"""Stacks of several readers on the same slices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewshot.config.volume import Link
from fewshot.errors import InputError
from fewshot.progress import warn
from fewshot.slices.sequence import Spacing
from fewshot.volume.link import LinkRule, link_labels
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.stack import Labels, LabelStack


def link_stacks(
    stacks: Sequence[LabelStack], link: Link, rule: LinkRule
) -> tuple[bool, list[LabelStack]]:
    """Return whether structures were linked, and the stacks, linked if wanted."""
    if link == "never" or (link == "auto" and all(stack.linked for stack in stacks)):
        return False, list(stacks)
    return True, [
        stack.with_labels(link_labels(stack.labels, rule), linked=True)
        if link == "always" or not stack.linked
        else stack
        for stack in stacks
    ]


def read_annotators(
    paths: Sequence[Path],
    stacks: Sequence[LabelStack],
    spacing: Spacing | None,
    max_voxels: int,
) -> dict[str, dict[str, LabelStack]]:
    """Return annotator → volume → stack on the slices of the model's stacks.

    Annotators are named by their files. Raises `InputError` if a file has none of the volumes, or
    slices of another size.
    """
    found: dict[str, dict[str, LabelStack]] = {}
    for path in paths:
        own = read_stacks(path, spacing, max_voxels=max_voxels)
        who = path.name.split(".")[0]
        while who in found:
            who += "'"
        found[who] = {stack.name: on_slices(one, stack, path) for stack, one in pairs(stacks, own)}
        if not found[who]:
            names = ", ".join(sorted({stack.name for stack in stacks}))
            raise InputError(f"{path}: has none of the volumes {names}")
    return found


def pairs(
    stacks: Sequence[LabelStack], others: Sequence[LabelStack]
) -> list[tuple[LabelStack, LabelStack]]:
    """Return the stacks of two readers for the same volume: by name, or if each has only one."""
    if len(stacks) == len(others) == 1:
        return [(stacks[0], others[0])]
    named = {other.name: other for other in others}
    return [(stack, named[stack.name]) for stack in stacks if stack.name in named]


def on_slices(
    other: LabelStack, stack: LabelStack, path: Path, *, measured: bool = False
) -> LabelStack:
    """Return another reader's labels on the slices of a stack, 0 on slices that it lacks.

    Slices are matched by position in space or, without a common space, by index in the volume; a
    warning says how many have no partner. Raises `InputError` when sizes or spacings differ, or no
    slice is shared; if the labels are to be `measured`, also when the reader has only every n-th
    slice, because the others would count as empty.
    """
    where = f"{path}: volume {other.name!r}"
    if other.labels.shape[1:] != stack.labels.shape[1:]:
        mine, theirs = (" x ".join(map(str, one.labels.shape[1:])) for one in (stack, other))
        raise InputError(f"{where}: slices are {theirs}, not {mine}")
    start = _apart(other, stack)
    if start is None:
        mine, theirs = (
            " x ".join(f"{side:.4g}" for side in (*one.pixel, one.step)) for one in (stack, other)
        )
        raise InputError(f"{where}: has another spacing ({theirs} mm, not {mine}); give the same")
    labels: Labels = np.zeros_like(stack.labels)
    places = other.positions + start
    shared = within = 0
    for index, position in enumerate(stack.positions):
        near = np.flatnonzero(np.abs(places - position) < stack.step / 100)
        if near.size:
            labels[index] = other.labels[near[0]]
            shared += 1
        within += bool(places[0] < position < places[-1] and not near.size)
    if not shared:
        raise InputError(f"{where}: has none of the slices; give the same")
    if measured and within > shared:
        raise InputError(
            f"{where}: has {shared} slices and lacks {within} between them, which would count as "
            "empty; give masks on the same slices"
        )
    missing, more = len(labels) - shared, len(other.labels) - shared
    if missing or more:
        warn(
            f"{where}: has {shared} of the {len(labels)} slices, and {more} others that are left "
            "out; on those that it lacks it counts as empty"
        )
    return stack.with_labels(labels, linked=other.linked)


def _apart(other: LabelStack, stack: LabelStack) -> float | None:
    """Return the position of another stack's first slice above that of a stack, mm.

    None if neither space nor the index in the volume tells.
    """
    if not np.allclose(other.pixel, stack.pixel, rtol=1e-3):
        return None
    ratio = max(other.step, stack.step) / min(other.step, stack.step)
    away = other.affine[:3, 3] - stack.affine[:3, 3]
    steps, *beside = np.linalg.solve(stack.affine[:3, :3], away)
    mine, theirs = (one.affine[:3, :3] / (one.step, *one.pixel) for one in (stack, other))
    if (
        abs(ratio - round(ratio)) <= 1e-3
        and np.allclose(mine, theirs, atol=2e-3)
        and np.abs(beside).max() < 1
    ):
        return float(steps * stack.step)
    apart = stack.step / stack.every
    if not np.isclose(other.step / other.every, apart, rtol=1e-3):
        return None
    return (other.first - stack.first) * apart
