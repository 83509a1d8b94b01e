"""Where a slice comes from: its patient, and its place in a volume."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Place:
    """The patient or other group of a slice, and its place in a volume, as far as they are known.

    `volume` and `index` say which slice of which volume it is; `spacing` is the size of a pixel in
    millimetres (row, column) and `position` where the slice lies along its axis, in mm.
    """

    group: str | None = None
    volume: str | None = None
    index: int | None = None
    spacing: tuple[float, float] | None = None
    position: float | None = None

    def known(self) -> dict[str, Any]:
        """Return what is known of the place, by the names above."""
        found = {one.name: getattr(self, one.name) for one in fields(Place)}
        return {name: value for name, value in found.items() if value is not None}
