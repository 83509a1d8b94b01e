"""Channels of a case (`BRATS_001_0000.nii.gz`, `…_0001`), which are not separate scans."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fewshot.errors import InputError
from fewshot.slices.images import name_a_few
from fewshot.slices.volume import Volume

EVERY = "all"
"""Every channel is read, as a volume of its own in the group of its case."""

_NUMBERED = re.compile(r"(.+)_(\d{4})")  # nnU-Net
_NAMED = re.compile(r"(.+)[_-]([A-Za-z][A-Za-z0-9]{0,11})")  # BraTS: _flair, _t1ce
_MOST_ALONE = 8  # channels of a single case; more numbered volumes are scans


def case_of(name: str) -> str:
    """Return the case of a volume by nnU-Net's rule: without the number of the first channel."""
    return name.removesuffix("_0000")


def read_channels(
    names: Sequence[str], channel: str, path: Path
) -> tuple[list[str], dict[str, str], str]:
    """Return the volumes to read, the case of each, and a line on what is left out.

    `channel` is the wanted end of the names, `all`, or empty for files without channels.
    Raises `InputError` when no file has the channel, or some cases lack it.
    """
    if not channel:
        return list(names), {name: case_of(name) for name in names}, ""
    split = {name: found for name in names if (found := _split(name)) is not None}
    if channel == EVERY:
        return list(names), {name: split.get(name, (name, ""))[0] for name in names}, ""
    kept = [name for name, (_, own) in split.items() if own == channel]
    if not kept:
        raise InputError(
            f"{path}: --channel {channel}: no file ends in it ({name_a_few(list(names))})"
        )
    cases = {split[name][0] for name in kept}
    lacking = sorted({case for case, _ in split.values()} - cases)
    if lacking:
        raise InputError(f"{path}: --channel {channel}: {name_a_few(lacking)} have none")
    return (
        kept,
        {name: split[name][0] for name in kept},
        f"{path}: channel {channel} of {len(kept)} cases; {len(names) - len(kept)} files of other "
        "channels are not read",
    )


def refuse_channels(volumes: Mapping[str, Volume], path: Path) -> None:
    """Raise `InputError` if volumes are channels of cases: with similar names and the same grid."""
    for pattern in (_NUMBERED, _NAMED):
        cases: dict[str, list[str]] = {}
        ends: dict[str, str] = {}
        for name in volumes:
            found = pattern.fullmatch(name)
            if found is not None:
                cases.setdefault(found[1], []).append(name)
                ends[name] = found[2]
        several = {case: own for case, own in cases.items() if len(own) > 1}
        sets = [frozenset(ends[name] for name in own) for own in several.values()]
        repeated = len(sets) > 1 and len(set.intersection(*map(set, sets))) > 1
        if not several or not (repeated or _alone(sets, pattern)):
            continue
        if all(_one_grid([volumes[name] for name in own]) for own in several.values()):
            channels = sorted(set().union(*sets))
            raise InputError(
                f"{path}: {sum(map(len, several.values()))} files are {len(several)} "
                f"{'case' if len(several) == 1 else 'cases'} of {len(channels)} channels "
                f"({', '.join(channels[:6])}); say which to read (--channel {channels[0]}), or "
                "--channel all if each is a scan of its own"
            )


def _alone(sets: Sequence[frozenset[str]], pattern: re.Pattern[str]) -> bool:
    """Return whether the only case with several files counts channels from 0000, or echoes."""
    if len(sets) != 1 or len(sets[0]) > _MOST_ALONE:
        return False
    if pattern is _NAMED:
        return all(re.fullmatch(r"e\d", one) for one in sets[0])  # dcm2niix
    return sorted(sets[0]) == [f"{one:04d}" for one in range(len(sets[0]))]


def _split(name: str) -> tuple[str, str] | None:
    found = _NUMBERED.fullmatch(name) or _NAMED.fullmatch(name)
    return None if found is None else (found[1], found[2])


def _one_grid(volumes: Sequence[Volume]) -> bool:
    first = volumes[0]
    return all(
        one.shape == first.shape and np.allclose(one.affine, first.affine, atol=1e-3)
        for one in volumes
    )
