"""Training samples: sources of slices, and their fixed, endless order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot.masks.coco import SliceRecord, SliceSet

_Sample = TypeVar("_Sample")


@dataclass(frozen=True)
class TrainingSource:
    """Slices to train on.

    Attributes:
        slices: with their masks.
        share: of each batch, relative to the other sources' shares.
        uncertain: the same slices with uncertain masks, to be ignored.
        score_weighted: whether losses are weighted by the masks' scores.
    """

    slices: SliceSet
    share: float = 1.0
    uncertain: SliceSet | None = None
    score_weighted: bool = False


class DrawnSamples(Generic[_Sample]):
    """An endless sequence of training samples, addressed by position from 0.

    A sample depends only on the seed and its position: not on the number of workers, nor on
    interruptions of the training. Sources without slices are left out.
    """

    def __init__(self, sources: Sequence[TrainingSource], seed: int) -> None:
        self.sources = [source for source in sources if len(source.slices)]
        if not self.sources:
            raise ValueError("no slices to train on")
        self._seed = seed
        sizes = [len(source.slices) for source in self.sources]
        self._order = SampleOrder(sizes, [source.share for source in self.sources], seed)

    def __getitem__(self, position: int) -> _Sample:
        """Return the sample at a position."""
        raise NotImplementedError

    def drawn(self, position: int) -> tuple[TrainingSource, SliceRecord, np.random.Generator]:
        """Return the source, the slice and the random generator of a position."""
        number, index = self._order.at(position)
        source = self.sources[number]
        rng = np.random.default_rng([self._seed, 1, position])
        return source, source.slices.records[index], rng


class SampleOrder:
    """The source and slice at each position of the endless sequence of samples.

    The order depends only on the seed. Sources alternate by their shares; each pass over a source's
    slices is shuffled.

    >>> order = SampleOrder(sizes=[3, 100], shares=[1.0, 1.0], seed=0)
    >>> [order.at(position)[0] for position in range(6)]
    [1, 0, 1, 0, 1, 0]
    """

    def __init__(self, sizes: Sequence[int], shares: Sequence[float], seed: int) -> None:
        self._sizes, self._shares, self._seed = list(sizes), list(shares), seed
        self._pass = lru_cache(maxsize=2 * len(self._sizes))(self._shuffled)

    def at(self, position: int) -> tuple[int, int]:
        """Return the source, and the slice in it, at a position from 0."""
        number, place = source_at(position, self._shares)
        turn, index = divmod(place, self._sizes[number])
        return number, int(self._pass(number, turn)[index])

    def _shuffled(self, number: int, turn: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self._seed, 0, number, turn])
        return rng.permutation(self._sizes[number])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_pass"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._pass = lru_cache(maxsize=2 * len(self._sizes))(self._shuffled)


def source_at(position: int, shares: Sequence[float]) -> tuple[int, int]:
    """Return the source of a position in the endless sequence, and the position in that source.

    Sources alternate as evenly as their shares allow, so that each batch is mixed in proportion.
    """
    for number, share in enumerate(shares[:-1]):
        part = share / sum(shares[number:])
        before = int(position * part)
        if int((position + 1) * part) > before:
            return number, before
        position -= before
    return len(shares) - 1, position
