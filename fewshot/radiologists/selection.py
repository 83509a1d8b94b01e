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
        ignore: the score from which a mask that is no soft label is an ignore region; None for no
            ignore regions.
        most: how many soft labels a slice may have; the best are kept, the others may be ignore
            regions. None for no limit.
    """

    certain: float
    ignore: float | None = None
    most: int | None = None


def select(masks: SliceMasks, selection: Selection) -> tuple[SliceMasks, SliceMasks]:
    """Return the soft labels and the ignore regions of a slice, each best score first."""
    best_first = masks.select(np.argsort(-masks.scores, kind="stable"))
    certain = best_first.scores >= np.float32(selection.certain)
    if selection.most is not None:
        certain &= np.cumsum(certain) <= selection.most
    if selection.ignore is None:
        unsure = np.zeros(len(masks), dtype=bool)
    else:
        unsure = ~certain & (best_first.scores >= np.float32(selection.ignore))
    return best_first.select(certain), best_first.select(unsure)


def most_masks(labelled: Iterable[SliceMasks]) -> int:
    """Return the most masks that any labelled slice has."""
    return max((len(masks) for masks in labelled), default=0)
