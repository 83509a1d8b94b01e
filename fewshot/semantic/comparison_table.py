"""The table of a comparison of semantic networks."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a model, how its regions were found, and its scores.

    Both adjusted Rand indices are those under the rule chosen for each on the validation slices,
    with the 95 % interval of the one over all pixels; `iou` and `dice` are of the foreground over
    all test pixels together, under the rule for all pixels.
    """

    model: str
    gafl: bool
    featup: bool
    regions: str
    ari_all: float
    ari_all_low: float
    ari_all_high: float
    ari_foreground: float
    iou: float
    dice: float
    ap: float
    iterations: int
    seconds: float
    cpu_seconds: float

    @property
    def key(self) -> tuple[str, bool, bool, str]:
        """The identity of the row: model, GAFL, FeatUp, regions."""
        return self.model, self.gafl, self.featup, self.regions


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, the best of each score in bold."""
    scores = ("ari_all", "ari_foreground", "iou", "dice", "ap")
    best = {name: max(round(getattr(row, name), 3) for row in rows) for name in scores}
    head = ["network", "GAFL", "FeatUp", "regions", "ARI, all", "ARI, foreground"]
    head += ["IoU", "Dice", "AP", "iterations", "CPU-seconds"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        shown = [f"{getattr(row, name):.3f}" for name in scores]
        shown = [
            f"**{text}**" if float(text) == best[name] else text
            for name, text in zip(scores, shown, strict=True)
        ]
        switches = ["on" if row.gafl else "–", "on" if row.featup else "–"]
        cost = [str(row.iterations), f"{row.cpu_seconds:.0f}"]
        lines.append([row.model, *switches, row.regions, *shown, *cost])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
