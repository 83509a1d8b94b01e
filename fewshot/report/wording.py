"""Words, numbers and table cells of the report."""

import math
from dataclasses import dataclass

from fewshot.config.base import Metric
from fewshot.config.names import CONTROL, FINAL, TWIN, WATERSHED
from fewshot.metrics.bootstrap import MeanInterval, PairedDifference
from fewshot.metrics.slice_metrics import Measure, decimals

METRIC_WORDS: dict[Metric, str] = {"all": "all pixels", "foreground": "foreground pixels"}


@dataclass(frozen=True)
class Cell:
    """A cell of a table: text, smaller text below it, length of a bar (0 to 1), CSS classes."""

    text: str
    below: str = ""
    share: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Card:
    """A main score: title, value, and lines below."""

    title: str
    value: str
    notes: tuple[str, ...]


def role(name: str) -> str:
    """Return the role of the model of this name in a few words."""
    roles = {
        WATERSHED: "baseline without learning",
        FINAL: "labelled and soft-labelled slices",
        CONTROL: "as final, without soft labels",
    }
    if name.startswith(TWIN):
        return f"as {name.removeprefix(TWIN)}, without unlabelled slices"
    return roles.get(name, "radiologist")


def span(interval: tuple[float, float] | None, digits: int = 3, *, signed: bool = False) -> str:
    """Return an interval as `0.512 to 0.634`; empty for None."""
    if interval is None:
        return ""
    low, high = (decimals(value, digits, signed=signed) for value in interval)
    return f"{low} to {high}"


def fraction(value: float) -> str:
    """Return the length of a score's bar, 0 to 1."""
    return "0" if math.isnan(value) else f"{min(max(value, 0.0), 1.0):.3f}"


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(4.8), duration(725), duration(12_000)
    ('4.8 s', '12 min 5 s', '3 h 20 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def joined(items: list[str]) -> str:
    """Return items as `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def value_cell(measure: Measure, value: MeanInterval | None, best: str = "") -> Cell:
    """Return a mean above its interval, bold if it equals the `best` text of its column."""
    if value is None:
        return Cell("–")
    text, bar = measure.text(value.mean), measure.higher_is_better is True
    marks = [*(["bar"] if bar else []), *(["best"] if text == best else [])]
    share = value.mean if bar else None
    return Cell(text, span(value.interval, measure.digits), share, " ".join(marks))


def difference_cell(measure: Measure, found: PairedDifference | None) -> Cell:
    """Return a difference above its interval, bold if the interval does not contain 0."""
    if found is None:
        return Cell("–")
    interval = span((found.low, found.high), measure.digits, signed=True)
    text = measure.text(found.mean, signed=True)
    return Cell(text, interval, mark="" if found.contains_zero else "sure")


def interval_note(interval: str) -> tuple[str, ...]:
    """Return the line of a card with its interval, if there is one."""
    return (f"95 % interval {interval}",) if interval else ()
