"""Reading preprocessed slices, cached as far as memory allows."""

import os
import random
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.preprocessing import PreprocessSettings
from fewshot.errors import InputError
from fewshot.preprocess.compose import preprocess
from fewshot.preprocess.filters import Grey
from fewshot.slices.images import read_channels, read_image

CACHE_VARIABLE = "FEWSHOT_CACHE_MB"
_CACHE_MB = 512


class BoundedCache:
    """Arrays by key, up to a total number of bytes.

    When it is full, random entries are dropped: training passes over its slices again and again, so
    that the oldest entry is just the one needed next.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._arrays: dict[Hashable, NDArray[Any]] = {}
        self._keys: list[Hashable] = []
        self._chance = random.Random(0)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: Hashable) -> NDArray[Any] | None:
        """Return the read-only array of a key, or None."""
        return self._arrays.get(key)

    def put(self, key: Hashable, array: NDArray[Any]) -> None:
        """Keep an array, unless it is larger than the cache or its key is taken."""
        if array.nbytes > self.most_bytes or key in self._arrays:
            return
        while self.bytes + array.nbytes > self.most_bytes:
            place = self._chance.randrange(len(self._keys))
            self._keys[place], self._keys[-1] = self._keys[-1], self._keys[place]
            self.bytes -= self._arrays.pop(self._keys.pop()).nbytes
        array.setflags(write=False)
        self._arrays[key] = array
        self._keys.append(key)
        self.bytes += array.nbytes


def _cache_bytes() -> int:
    text = os.environ.get(CACHE_VARIABLE, str(_CACHE_MB))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{CACHE_VARIABLE}: {text!r} is no number of megabytes, such as 512")
    return int(text) << 20


_cache: BoundedCache | None = None


def read_preprocessed(path: Path, settings: PreprocessSettings) -> Grey:
    """Return a slice, preprocessed for a model.

    Results are cached by file, its size and time, and settings, up to 512 MB per process (set the
    environment variable FEWSHOT_CACHE_MB to change that). Slices without preprocessing are not.

    Returns:
        uint8 (height, width), or (height, width, 3) where channels differ.

    Raises `InputError` as `read_image` does, and for a grey image where colour is asked for.
    """
    global _cache
    if settings.changes_nothing:
        return read_image(path)
    _cache = _cache or BoundedCache(_cache_bytes())
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    key = (path, status.st_size, status.st_mtime_ns, settings)
    found = _cache.get(key)
    if found is None:
        image = read_channels(path) if settings.input == "colour" else read_image(path)
        found = np.ascontiguousarray(preprocess(image, settings))
        _cache.put(key, found)
    return found
