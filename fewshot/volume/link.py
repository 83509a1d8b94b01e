"""Linking the regions of neighbouring slices into structures, if ids are arbitrary on each slice.

Slice by slice, regions are matched one to one with the structures found so far, by overlap
(Hungarian method). A structure that is missing on a few slices is continued within the cone it can
have reached. What happens where structures meet: see `LinkRule.join`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from fewshot.config.volume import Link
from fewshot.volume.confluence import by_size, cut_at_confluences

Labels = NDArray[np.uint16]
Numbers = NDArray[np.int32]
Counts = NDArray[np.int64]

_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)
_NOT_REACHED = -1.0


@dataclass(frozen=True)
class LinkRule:
    """How structures are followed from slice to slice.

    The similarity of a region and a structure's last section is their IoU plus half of the fraction
    of the smaller one that lies in the other: 0 to 1.5.

    Attributes:
        least: the smallest similarity of a match.
        memory: a structure is continued after at most so many slices without it.
        reach: how far it may have moved by then, in pixels per slice; one pixel is added.
        join: whether regions that are separate on one slice and merge on the next are one
            structure. `auto`: if some id has several parts on a slice, the parts of structures were
            already kept together, and nothing is joined. Regions that touch are never joined:
            someone drew a border between them.
        trunk: where structures that touch merge, and the smaller has at least this fraction of the
            other's area, the continuation is a third structure, like a trunk after two branches.
        waist: a structure is cut where it narrows to this fraction of its area within two slices on
            either side, if another one ends or begins next to it there; 0 for no cuts.
    """

    least: float = 0.42
    memory: int = 3
    reach: float = 0.5
    join: Link = "auto"
    trunk: float = 0.5
    waist: float = 0.55


def link_labels(labels: Labels, rule: LinkRule | None = None) -> Labels:
    """Return label maps (slices, height, width) with the same id for a structure on all slices.

    The ids of `labels` are arbitrary on each slice; 0 is background. Structures are numbered from 1
    by size, the largest first.
    Raises `InputError` for more than 32767.

    >>> link_labels(np.array([[[1, 1, 0, 2]], [[2, 2, 0, 1]]], np.uint16)).tolist()
    [[[1, 1, 0, 2]], [[1, 1, 0, 2]]]
    """
    rule = rule or LinkRule()
    follower = _Follower(labels, rule)
    for index in range(len(labels)):
        follower.step(index)
    return by_size(cut_at_confluences(follower.linked(), rule.waist))


@dataclass(frozen=True)
class _Section:
    """The last section of a structure: the slice and its ids there."""

    index: int
    ids: tuple[int, ...]


class _Follower:
    """The structures so far; `_parent` says which of them turned out to be the same."""

    def __init__(self, labels: Labels, rule: LinkRule) -> None:
        self._labels, self._rule = labels, rule
        self._join = rule.join == "always" or (rule.join == "auto" and not _has_parts(labels))
        self._last: list[_Section] = []
        self._parent: list[int] = []
        self._found: list[dict[int, int]] = []  # by slice: id → structure

    def step(self, index: int) -> None:
        """Assign a structure to each region of a slice."""
        ids = _ids(self._labels[index])
        seen = _Seen(self._labels, index, ids, self._active(index), self._last)
        found = self._matched(seen)
        if seen.common.size:
            self._take_up(seen, found)
            self._divide(seen, found)
            self._unite(seen, found)
        for one in ids:
            if one not in found:
                found[one] = self._new()
        self._found.append(found)
        for number in set(found.values()):
            own = tuple(one for one, other in found.items() if other == number)
            self._last[number] = _Section(index, own)

    def linked(self) -> Numbers:
        """Return the label maps with one number a structure."""
        linked = np.zeros(self._labels.shape, dtype=np.int32)
        for index, found in enumerate(self._found):
            table = np.zeros(int(self._labels[index].max(initial=0)) + 1, dtype=np.int32)
            for one, number in found.items():
                table[one] = self._root(number) + 1
            linked[index] = table[self._labels[index]]
        return linked

    def _active(self, index: int) -> list[int]:
        oldest = index - self._rule.memory - 1
        return [number for number, last in enumerate(self._last) if last.index >= oldest]

    def _new(self) -> int:
        self._last.append(_Section(-1 - self._rule.memory, ()))
        self._parent.append(len(self._parent))
        return len(self._parent) - 1

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            number = self._parent[number]
        return number

    def _matched(self, seen: "_Seen") -> dict[int, int]:
        if not seen.common.size:
            return {}
        alike = seen.similarity()
        alike[alike < self._rule.least] = 0
        pairs = zip(*linear_sum_assignment(alike, maximize=True), strict=True)
        return {
            seen.ids[column]: seen.active[row] for row, column in pairs if alike[row, column] > 0
        }

    def _take_up(self, seen: "_Seen", found: dict[int, int]) -> None:
        """Match the remaining regions with structures that they may continue without overlap."""
        going_on = set(found.values())
        rows = [row for row, number in enumerate(seen.active) if number not in going_on]
        columns = [column for column, one in enumerate(seen.ids) if one not in found]
        if not rows or not columns:
            return
        close = np.full((len(rows), len(columns)), _NOT_REACHED)
        for place, row in enumerate(rows):
            away = seen.distance(row)
            reach = self._rule.reach * (seen.pauses[row] + 1) + 1
            for other, column in enumerate(columns):
                nearest = float(away[self._labels[seen.index] == seen.ids[column]].min())
                if seen.common[row, column] == 0 and nearest <= reach:
                    close[place, other] = 1 - nearest / (2 * reach)
        for place, other in zip(*linear_sum_assignment(close, maximize=True), strict=True):
            if close[place, other] != _NOT_REACHED:
                found[seen.ids[columns[other]]] = seen.active[rows[place]]

    def _divide(self, seen: "_Seen", found: dict[int, int]) -> None:
        """Decide about new regions inside the last section of a structure that continues."""
        owners = {number: one for one, number in found.items()}
        for column, one in enumerate(seen.ids):
            row = int(seen.common[:, column].argmax())
            partner = owners.get(seen.active[row])
            inside = 2 * seen.common[row, column] >= seen.sizes[column]
            if one in found or partner is None or seen.pauses[row] or not inside:
                continue
            size = seen.sizes[seen.ids.index(partner)]
            if _touch(self._labels[seen.index], (one,), (partner,)):
                if self._comparable(seen.sizes[column], size):
                    found[partner] = self._new()
            elif self._join:
                found[one] = seen.active[row]

    def _unite(self, seen: "_Seen", found: dict[int, int]) -> None:
        """Decide about structures that end inside the next section of another one."""
        going_on = set(found.values())
        for row, number in enumerate(seen.active):
            column = int(seen.common[row].argmax())
            other = found.get(seen.ids[column])
            inside = 2 * seen.common[row, column] >= seen.last_sizes[row]
            if number in going_on or seen.pauses[row] or other not in seen.active or not inside:
                continue
            beside = seen.active.index(other)
            if seen.pauses[beside] or self._root(other) == self._root(number):
                continue
            sections = self._last[number], self._last[other]
            if _touch(self._labels[sections[0].index], sections[0].ids, sections[1].ids):
                if self._comparable(seen.last_sizes[row], seen.last_sizes[beside]):
                    found[seen.ids[column]] = self._new()
            elif self._join:
                self._parent[self._root(number)] = self._root(other)

    def _comparable(self, a: int, b: int) -> bool:
        return bool(min(a, b) >= self._rule.trunk * max(a, b))


class _Seen:
    """A slice compared with the last sections of the structures that may continue there.

    `common`: shared pixels, (structures, regions). `sizes`: of the regions, `last_sizes`: of the
    sections. `pauses`: number of slices between them, (structures,).
    """

    def __init__(
        self,
        labels: Labels,
        index: int,
        ids: list[int],
        active: list[int],
        last: list[_Section],
    ) -> None:
        self.index, self.ids, self.active = index, ids, active
        self._labels, self._last = labels, [last[number] for number in active]
        self.pauses = np.array([index - one.index - 1 for one in self._last], dtype=np.int64)
        self.common: Counts = np.zeros((len(active), len(ids)), dtype=np.int64)
        self.last_sizes: Counts = np.zeros(len(active), dtype=np.int64)
        self.sizes: Counts = np.bincount(labels[index].ravel(), minlength=max(ids, default=0) + 1)[
            ids
        ]
        tables = {
            one: count_pairs(labels[one], labels[index]) for one in {s.index for s in self._last}
        }
        for row, section in enumerate(self._last):
            counts = tables[section.index][list(section.ids)].sum(axis=0)
            self.common[row], self.last_sizes[row] = counts[ids], counts.sum()

    def similarity(self) -> NDArray[np.float64]:
        """Return the similarity of each structure and region, less for each missing slice."""
        last_sizes = self.last_sizes[:, np.newaxis]
        smaller = np.minimum(last_sizes, self.sizes)
        alike = self.common / (last_sizes + self.sizes - self.common) + 0.5 * self.common / smaller
        faded: NDArray[np.float64] = alike * 0.9 ** self.pauses[:, np.newaxis]
        return faded

    def distance(self, row: int) -> NDArray[np.float64]:
        """Return the distance of each pixel from the last section of a structure, in pixels."""
        section = self._last[row]
        outside = ~np.isin(self._labels[section.index], section.ids)
        distances: NDArray[np.float64] = ndimage.distance_transform_edt(outside)
        return distances


def _ids(section: Labels) -> list[int]:
    return [int(one) for one in np.unique(section) if one]


def count_pairs(a: Labels, b: Labels) -> Counts:
    """Return how often each pair of ids occurs, shape (largest of a + 1, largest of b + 1)."""
    rows, columns = int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1
    pairs = a.ravel().astype(np.int64) * columns + b.ravel()
    return np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)


def _touch(section: Labels, ones: Iterable[int], others: Iterable[int]) -> bool:
    grown = ndimage.binary_dilation(np.isin(section, list(ones)), _NEIGHBOURS)
    return bool(np.isin(section[grown], list(others)).any())


def _has_parts(labels: Labels) -> bool:
    """Return whether on some slice an id has several parts of at least four pixels."""
    for section in labels:
        for one, place in enumerate(ndimage.find_objects(section), start=1):
            if place is None:
                continue
            parts, count = ndimage.label(section[place] == one, _NEIGHBOURS)
            if count > 1 and np.sort(np.bincount(parts.ravel())[1:])[-2] >= 4:
                return True
    return False
