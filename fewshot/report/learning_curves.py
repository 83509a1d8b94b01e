"""Learning curves, read from the lines that a training writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.files import read_json_lines

_LOSS, _PART, _PRECISION = "total_loss", "loss_", "validation/ap"
_MOST_POINTS = 300

_LOSSES = {
    "loss_mask": "mask loss",
    "loss_cls": "class loss",
    "loss_box_reg": "box loss",
    "loss_rpn_cls": "region proposals, class loss",
    "loss_rpn_loc": "region proposals, box loss",
    "loss_bce": "cross-entropy loss",
}

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Total loss and validation average precision of a model by iteration.

    `iterations` and `losses` have one entry per iteration, `evaluated` and `precisions` one per
    evaluation. `parts` contains iterations and values of each part of the loss. Values that are not
    finite are left out.
    """

    iterations: Values
    losses: Values
    evaluated: Values
    precisions: Values
    parts: Mapping[str, tuple[Values, Values]] = field(default_factory=dict)

    def smoothed(self, part: str | None = None) -> tuple[Values, Values]:
        """Return iterations and running mean over a twentieth of the training, at most 300 points.

        Of the total loss, or a part of it. The window is cut off at both ends.
        """
        iterations, losses = (self.iterations, self.losses) if part is None else self.parts[part]
        count = len(losses)
        half = count // 40
        index = np.arange(count)
        low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, count)
        sums = np.concatenate([[0.0], np.cumsum(losses)])
        mean = (sums[high] - sums[low]) / (high - low)
        shown = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))
        return iterations[shown], mean[shown]


def loss_name(part: str) -> str:
    """Return the name of a part of the total loss.

    >>> loss_name("loss_rpn_cls"), loss_name("loss_dice")
    ('region proposals, class loss', 'dice loss')
    """
    return _LOSSES.get(part, f"{part.removeprefix(_PART).replace('_', ' ')} loss")


def read_curve(path: Path) -> Curve | None:
    """Return the curve in a JSON lines file up to a torn line; None without file or iterations."""
    rows = [row for row in read_json_lines(path) if isinstance(row.get("iteration"), int)]
    iterations, losses = _column(rows, _LOSS)
    evaluated, precisions = _column(rows, _PRECISION)
    if not len(losses) and not len(precisions):
        return None
    names = {name for row in rows for name in row if name.startswith(_PART)}
    parts = {name: _column(rows, name) for name in sorted(names)}
    return Curve(
        iterations,
        losses,
        evaluated,
        precisions,
        {name: column for name, column in parts.items() if len(column[0])},
    )


def _column(rows: list[dict[str, Any]], key: str) -> tuple[Values, Values]:
    found = [(row["iteration"] + 1, row[key]) for row in rows if key in row]
    table = np.array(found, dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]
