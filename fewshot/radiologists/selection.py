"""Which of a slice's predicted masks become soft labels, and which only ignore regions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fewshot.masks.predicted import SliceMasks


@dataclass(frozen=True)
class Selection:
    """Bounds on scores, and on the number of soft labels of a slice.

    Attributes:
        certain: the score from which a mask is a soft label.
        uncertain: the score from which a mask that is no soft label is an ignore region; None for
            no ignore regions.
        quota: the most soft labels a slice may have; the best are kept, the others are uncertain.
            None for no limit.
    """

    certain: float
    uncertain: float | None = None
    quota: int | None = None


def select(masks: SliceMasks, selection: Selection) -> tuple[SliceMasks, SliceMasks]:
    """Return the soft labels and the ignore regions of a slice, each best score first."""
    best_first = masks.select(np.argsort(-masks.scores, kind="stable"))
    certain = best_first.scores >= np.float32(selection.certain)
    if selection.quota is not None:
        certain &= np.cumsum(certain) <= selection.quota
    if selection.uncertain is None:
        unsure = np.zeros(len(masks), dtype=bool)
    else:
        unsure = ~certain & (best_first.scores >= np.float32(selection.uncertain))
    return best_first.select(certain), best_first.select(unsure)


def quota_of(labelled: Iterable[SliceMasks]) -> int:
    """Return the most masks that any labelled slice has."""
    return max((len(masks) for masks in labelled), default=0)
