"""Remarks on what was read, so that each kind is printed once rather than for every slice."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN = 3

_current: ContextVar["Remarks | None"] = ContextVar("remarks", default=None)


class Remarks:
    """Remarks made while reading files: kind of remark → places."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}

    def add(self, kind: str, where: str) -> None:
        """Add a place to a kind of remark; each place counts once."""
        self._found.setdefault(kind, {})[where] = None

    def lines(self) -> list[str]:
        """Return one line for each kind: `kind (4: a.png, b.png, c.png and 1 more)`."""
        return [f"{kind} ({_places(list(places))})" for kind, places in self._found.items()]


def remark(kind: str, where: str) -> None:
    """Add a remark to the current collection, if any."""
    remarks = _current.get()
    if remarks is not None:
        remarks.add(kind, where)


@contextmanager
def collecting() -> Iterator[Remarks]:
    """Yield the remarks made in the `with` block."""
    remarks = Remarks()
    token = _current.set(remarks)
    try:
        yield remarks
    finally:
        _current.reset(token)


def _places(places: list[str]) -> str:
    shown = ", ".join(places[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{len(places)}: {shown}{more}" if len(places) > 1 else shown
