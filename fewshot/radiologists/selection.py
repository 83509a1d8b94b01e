"""Selection of a slice's predicted masks as soft labels or as ignore regions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fewshot.masks.predicted import SliceMasks


@dataclass(frozen=True)
class Selection:
    """Limits on scores and on the number of soft labels per slice.

    Attributes:
        certain: minimum score of a soft label.
        ignore: minimum score of an ignore region, for masks that are not soft labels; None for no
            ignore regions.
        most: maximum number of soft labels per slice; the best are kept, others can become ignore
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
