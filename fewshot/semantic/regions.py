"""Regions from foreground probabilities: connected components, or a watershed."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import segmentation

from fewshot.config.semantic import RegionSettings

Probabilities = NDArray[np.float32]


def find_regions(
    foreground: Probabilities, boundary: Probabilities | None, settings: RegionSettings
) -> NDArray[np.int32]:
    """Return the (height, width) int32 label map of the regions in a slice, 0 outside.

    Args:
        foreground: float32 (height, width), probability of being inside a structure.
        boundary: of being at the edge of one, inside it; `watershed` needs it.
        settings: method, thresholds, opening and smallest region.

    Raises:
        ValueError: `watershed` without boundaries.

    >>> foreground = np.array([[0.9, 0.1, 0.8]], np.float32)
    >>> settings = RegionSettings(method="components", opening=0, min_area=1)
    >>> find_regions(foreground, None, settings).tolist()
    [[1, 0, 2]]
    """
    inside = foreground >= np.float32(settings.threshold)
    if settings.method == "components":
        regions = _components(_opened(inside, settings.opening))
    elif boundary is None:
        raise ValueError("a watershed of regions needs their boundaries")
    else:
        regions = _watershed(inside, boundary, settings)
    return without_small(regions, settings.min_area)


def without_small(regions: NDArray[np.int32], min_area: int) -> NDArray[np.int32]:
    """Return the label map without regions of fewer than `min_area` pixels; ids run from 1."""
    areas = np.bincount(regions.reshape(-1))
    kept = (areas >= max(min_area, 1)) & (np.arange(len(areas)) > 0)
    ids = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    result: NDArray[np.int32] = ids[regions]
    return result


def boundaries(label_map: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return the boundary pixels of a label map's regions: those with another neighbour of eight.

    The slice's own edge is not a boundary.
    """
    high = ndimage.maximum_filter(label_map, size=3, mode="nearest")
    low = ndimage.minimum_filter(label_map, size=3, mode="nearest")
    edges: NDArray[np.bool_] = (label_map != 0) & (high != low)
    return edges


def _watershed(
    inside: NDArray[np.bool_], boundary: Probabilities, settings: RegionSettings
) -> NDArray[np.int32]:
    """Grow the parts of the foreground without boundaries to fill the foreground.

    Source: the idea of H. Chen, X. Qi, L. Yu and P.-A. Heng, DCAN: Deep contour-aware networks for
    accurate gland segmentation, CVPR 2016, with a watershed in place of their dilation.
    """
    hearts = _opened(inside & (boundary < np.float32(settings.boundary_threshold)), 0)
    seeds = without_small(_components(hearts), min(settings.min_area, 2))
    whole = _opened(inside, settings.opening) | (inside & (seeds > 0))
    # A structure so thin that it is all boundary has no heart; it is a region nevertheless.
    parts = _components(whole)
    with_heart = np.zeros(parts.max() + 1, dtype=bool)
    with_heart[np.unique(parts[seeds > 0])] = True
    heartless = np.where(with_heart[parts], 0, parts)
    seeds = np.where(heartless > 0, heartless + seeds.max(), seeds)
    if not seeds.any():
        return np.zeros(inside.shape, dtype=np.int32)
    watershed: Any = segmentation.watershed
    grown = watershed(boundary, markers=seeds, mask=whole)
    result: NDArray[np.int32] = grown.astype(np.int32)
    return result


def _opened(inside: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    if radius == 0:
        return inside
    disk: Any = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    opened: Any = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, disk)
    result: NDArray[np.bool_] = opened.astype(bool)
    return result


def _components(inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    labels: Any = ndimage.label(inside)[0]
    result: NDArray[np.int32] = labels.astype(np.int32)
    return result
