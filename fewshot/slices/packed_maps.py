"""Label maps for one file: checked, and packed as they come one by one."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

_MOST_UNPACKED = 1 << 22  # bytes of all maps' pixels that are unpacked at a time
_BAND = range(256, 1 << 14)  # pixels of a map that are packed at once


class MapChecker:
    """Checks that the label maps for one file have the same size and type."""

    def __init__(self, where: str) -> None:
        """`where` begins every message."""
        self._where = where
        self._first: tuple[str, tuple[int, ...]] | None = None

    def flat(self, name: str, label_map: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return an image's label map as flat uint8 values; `InputError` if it cannot be used."""
        where = f"{self._where}: image {name!r}"
        if label_map.ndim != 2 or label_map.size == 0 or label_map.dtype.kind not in "iu":
            raise InputError(
                f"{where}: {label_map.dtype} values of shape {label_map.shape} are no label map;"
                " give integers of shape (height, width)"
            )
        first, shape = self._first = self._first or (name, label_map.shape)
        if label_map.shape != shape:
            raise InputError(
                f"{where} has shape {label_map.shape} and {first!r} has {shape};"
                " all images of one file must be of one size"
            )
        low, high = int(label_map.min()), int(label_map.max())
        if low < 0 or high > 255:
            wrong = low if low < 0 else high
            raise InputError(f"{where} holds id {wrong}; renumber its regions within 0 to 255")
        return label_map.astype(np.uint8, copy=False).ravel()


class PackedMaps:
    """Flat label maps in a few kilobytes each, to read blocks of pixels from."""

    def __init__(self, maps: Iterable[NDArray[np.uint8]], count: int) -> None:
        """`maps`, about `count` of them, are flat and of one size."""
        self._size = max(_BAND.start, min(_BAND.stop, _MOST_UNPACKED // max(count, 1)))
        self._packed: list[list[bytes]] = []
        self._held: tuple[int, NDArray[np.uint8]] | None = None
        self.pixels = 0
        for one in maps:
            self.pixels = one.size
            bands = (one[at : at + self._size] for at in range(0, one.size, self._size))
            self._packed.append([zlib.compress(band.tobytes(), 1) for band in bands])

    def __len__(self) -> int:
        return len(self._packed)

    def reorder(self, places: Sequence[int]) -> None:
        """Keep the maps at these places, in this order."""
        self._packed = [self._packed[place] for place in places]
        self._held = None

    def block(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return pixels `start` to `stop` of all maps, shape (maps, pixels); fastest in order."""
        size, parts = self._size, []
        for number in range(start // size, -(-stop // size)):
            first = number * size
            parts.append(self._band(number)[:, max(start - first, 0) : stop - first])
        return np.concatenate(parts, axis=1)

    def _band(self, number: int) -> NDArray[np.uint8]:
        if self._held is None or self._held[0] != number:
            self._held = None  # before the next one is made
            pixels = min(self._size, self.pixels - number * self._size)
            band = np.empty((len(self), pixels), dtype=np.uint8)
            for row, packed in enumerate(self._packed):
                band[row] = np.frombuffer(zlib.decompress(packed[number]), np.uint8)
            self._held = number, band
        return self._held[1]
