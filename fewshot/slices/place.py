"""The origin of a slice: its patient, and its place in a volume."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Place:
    """The patient or other group of a slice, and its place in a volume, if known.

    `volume` and `index` identify the slice of a volume; `spacing` is the size of a pixel in mm
    (row, column) and `position` that of the slice along its axis, in mm.
    """

    group: str | None = None
    volume: str | None = None
    index: int | None = None
    spacing: tuple[float, float] | None = None
    position: float | None = None

    def known(self) -> dict[str, Any]:
        """Return the known fields by name."""
        found = {one.name: getattr(self, one.name) for one in fields(Place)}
        return {name: value for name, value in found.items() if value is not None}
