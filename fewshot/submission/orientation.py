"""Detecting label maps that were written column by column instead of row by row."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.metrics.rand import adjusted_rand
from fewshot.slices.images import image_size, image_stem, read_image
from fewshot.slices.label_csv import LabelTable

_LOOKED_AT = 64  # images at most, spread over the file
_FEWEST = 3  # images for a verdict
_SHARE = 0.75  # of them must fit better transposed
_CLEARLY = 0.1  # by so much in adjusted Rand index or correlation
_SHARPER = 1.1  # or by this ratio of edge strength below the outlines

_Map = NDArray[Any]


def orientation_findings(
    table: LabelTable, images: list[Path], reference: LabelTable | None
) -> list[str]:
    """Return the finding that the label maps look transposed, if they clearly do.

    Label maps are compared with those of the same name in the `reference` by adjusted Rand index,
    then by where the foreground lies on average; then their outlines with the edges in the
    `images`. Fewer than three labelled slices give no finding.
    """
    size = image_size(images[0]) if images else None
    found = None if reference is None else _against_labels(table, size, reference)
    if found is None:
        found = _against_images(table, {image_stem(path.name): path for path in images})
    return [] if found is None else [f"{found}; write each label map in C order, row by row"]


def _against_labels(
    table: LabelTable, size: tuple[int, int] | None, reference: LabelTable
) -> str | None:
    pixels = table.pixels.shape[1]
    if reference.pixels.shape[1] != pixels:
        return None
    side = math.isqrt(pixels)
    shape = size or (side, side)
    if shape[0] * shape[1] != pixels:
        return None
    rows = {image_stem(name): row for row, name in enumerate(reference.names)}
    pairs = [
        (ids.reshape(shape), reference.pixels[rows[image_stem(name)]].reshape(shape))
        for name, ids in zip(table.names, table.pixels, strict=True)
        if image_stem(name) in rows and ids.any() and reference.pixels[rows[image_stem(name)]].any()
    ]
    fits = [
        [adjusted_rand(true, one, foreground=False) for one in (ids, transposed(ids))]
        for ids, true in _spread(pairs)
    ]
    better = [after - before for before, after in fits]
    if _most(better, lambda value: value > 0) and np.mean(better) > _CLEARLY:
        before, after = np.mean(fits, axis=0)
        return (
            f"the masks look transposed: against {reference.source} the adjusted Rand index is"
            f" {before:.2f} as they stand and {after:.2f} transposed"
        )
    here, there = _occupancy(table, shape), _occupancy(reference, shape)
    if here is None or there is None:
        return None
    before, after = _correlation(here, there), _correlation(transposed(here), there)
    if after > before + _CLEARLY and after > 2 * _CLEARLY:
        return (
            f"the masks look transposed: the places of regions correlate with {reference.source}"
            f" by {before:.2f} as they stand and {after:.2f} transposed"
        )
    return None


def _against_images(table: LabelTable, path_of: dict[str, Path]) -> str | None:
    labelled = [
        (path_of[image_stem(name)], ids)
        for name, ids in zip(table.names, table.pixels, strict=True)
        if image_stem(name) in path_of and ids.any()
    ]
    ratios = []
    for path, ids in _spread(labelled):
        edges = _edges(read_image(path).astype(np.float32))
        label_map = ids.reshape(edges.shape)
        before, after = (
            _strength(edges, outlined) for outlined in (label_map, transposed(label_map))
        )
        if before > 0 and after > 0:
            ratios.append(after / before)
    if not _most(ratios, lambda ratio: ratio > 1):
        return None
    ratio = float(np.median(ratios))
    if ratio < _SHARPER:
        return None
    return (
        f"the masks look transposed: transposed, their outlines lie on edges of the images that are"
        f" {ratio:.1f} times as strong"
    )


def transposed(label_map: _Map) -> _Map:
    """Return a label map read in F order in place of C order; the transpose of a square one."""
    height, width = label_map.shape
    return label_map.reshape(width, height).T


def _spread(items: list[Any]) -> list[Any]:
    step = max(1, -(-len(items) // _LOOKED_AT))
    return items[::step]


def _most(values: list[float], wanted: Callable[[float], bool]) -> bool:
    """Return whether there are enough values and most are as wanted."""
    return len(values) >= _FEWEST and sum(map(wanted, values)) >= _SHARE * len(values)


def _occupancy(table: LabelTable, shape: tuple[int, int]) -> _Map | None:
    """Return how often each pixel is foreground on labelled slices; None for too few slices."""
    labelled = _spread([ids for ids in table.pixels if ids.any()])
    if len(labelled) < _FEWEST:
        return None
    total = np.zeros(labelled[0].size)
    for ids in labelled:
        total += ids != 0
    return (total / len(labelled)).reshape(shape)


def _correlation(a: _Map, b: _Map) -> float:
    """Return Pearson's correlation; 0 if one side is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _edges(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gradient magnitude."""
    rows, columns = np.gradient(image)
    edges: NDArray[np.float32] = np.hypot(rows, columns)
    return edges


def _strength(edges: NDArray[np.float32], label_map: _Map) -> float:
    """Return the mean edge strength below the outlines of regions; 0 without outlines."""
    outline = np.zeros(label_map.shape, dtype=np.bool_)
    outline[1:] |= label_map[1:] != label_map[:-1]
    outline[:, 1:] |= label_map[:, 1:] != label_map[:, :-1]
    return float(edges[outline].mean()) if outline.any() else 0.0
