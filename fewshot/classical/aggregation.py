"""One label map from several of the same slice: at each pixel the most frequent region."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.metrics.contingency import contingency


def mode_of_label_maps(label_maps: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Return the pixelwise mode of label maps of one slice, after their ids have been matched.

    Ids are arbitrary: the region that is 4 in one map may be 1 in another. The maps are therefore
    renumbered in turn, starting from the first. Each pair of a region of the next map and an id
    used before is rated by intersection over union, both summed over all previous maps; pairs are
    matched greedily, the best first (the optimum for regions that share most of their pixels). A
    region without a match gets a new id, which later maps can match.

    Then each pixel takes its most frequent id, the one of the earliest map if several are equally
    frequent. Background (0) is an id like any other, and matches only itself.

    Args:
        label_maps: int32 (height, width) each, of one shape; at least one.

    Returns:
        int32 (height, width); ids need not be connected, nor all occur.

    Raises `InputError` for no maps, or maps of different shapes.
    Source: an idea of M. Vigouroux and L. Haubert's report, section 3.2, dropped there as too slow.

    >>> maps = [np.array([row], np.int32) for row in ([1, 1, 2], [5, 5, 7], [3, 3, 3])]
    >>> mode_of_label_maps(maps).tolist()
    [[1, 1, 2]]
    """
    if not label_maps or len({one.shape for one in label_maps}) > 1:
        raise InputError("mode: give one or more label maps of one shape")
    matched = [label_maps[0]]
    highest = int(label_maps[0].max(initial=0))
    for label_map in label_maps[1:]:
        ids = _ids_for(label_map, matched, highest)
        highest = max(highest, int(ids.max(initial=0)))
        matched.append(ids[label_map])
    return _mode(matched)


def _ids_for(
    label_map: NDArray[np.int32], before: Sequence[NDArray[np.int32]], highest: int
) -> NDArray[np.int32]:
    """Return id → new id of a label map, matched with the maps before it."""
    regions, given, overlaps, ratings = _ratings(label_map, before, highest)
    sizes = np.bincount(label_map.ravel())
    ids = np.zeros(sizes.size, dtype=np.int32)
    taken = np.zeros(highest + 1, dtype=np.bool_)
    for pair in np.lexsort((given, regions, -overlaps, -ratings)):
        region, wanted = regions[pair], given[pair]
        if not ids[region] and not taken[wanted]:
            ids[region], taken[wanted] = wanted, True
    alone = np.flatnonzero((ids[1:] == 0) & (sizes[1:] > 0)) + 1
    ids[alone] = highest + 1 + np.arange(alone.size)
    return ids


def _ratings(
    label_map: NDArray[np.int32], before: Sequence[NDArray[np.int32]], highest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the overlapping pairs of regions and given ids: region, id, overlap, IoU."""
    cells = [contingency(label_map, one) for one in before]
    keys = np.concatenate([one.truth * (highest + 1) + one.prediction for one in cells])
    found, place = np.unique(keys, return_inverse=True)
    counts = np.concatenate([one.counts for one in cells])
    overlaps = np.bincount(place, weights=counts, minlength=found.size).astype(np.int64)
    regions, given = np.divmod(found, highest + 1)
    sizes = np.bincount(label_map.ravel()) * len(before)
    given_sizes = sum(np.bincount(one.ravel(), minlength=highest + 1) for one in before)
    ratings = overlaps / (sizes[regions] + np.asarray(given_sizes)[given] - overlaps)
    real = (regions > 0) & (given > 0)
    return regions[real], given[real], overlaps[real], ratings[real]


def _mode(label_maps: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    mode = label_maps[0].copy()
    most = np.zeros(mode.shape, dtype=np.int32)
    for one in label_maps:
        votes = np.sum([one == other for other in label_maps], axis=0, dtype=np.int32)
        better = votes > most
        np.copyto(mode, one, where=better)
        np.copyto(most, votes, where=better)
    return mode
