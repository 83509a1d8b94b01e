"""Regions from foreground: touching discs, thin and small structures, every id in use."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.semantic import RegionMethod, RegionSettings
from fewshot.metrics.rand import score_slice
from fewshot.semantic.prediction import masks_of_regions
from fewshot.semantic.regions import boundaries, find_regions, without_small

SIZE = 128


def discs(*centres: tuple[int, int], radius: int = 20) -> NDArray[np.int32]:
    """A label map of discs; a pixel in two belongs to the first."""
    rows, columns = np.indices((SIZE, SIZE))
    labels = np.zeros((SIZE, SIZE), dtype=np.int32)
    for number, (row, column) in enumerate(centres, start=1):
        inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        labels[inside & (labels == 0)] = number
    return labels


def said(labels: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a sure network says of a label map: foreground and boundaries."""
    foreground = np.where(labels > 0, 0.95, 0.05).astype(np.float32)
    edges = np.where(boundaries(labels), 0.9, 0.1).astype(np.float32)
    return foreground, edges


def found(labels: NDArray[np.int32], method: RegionMethod) -> NDArray[np.int32]:
    return find_regions(*said(labels), RegionSettings(method=method))


@pytest.mark.parametrize(
    ("method", "regions", "ari"),
    [
        ("watershed", 2, 0.99),  # told apart, to the pixel
        ("components", 1, 0.0),  # one component cannot be two discs
    ],
)
def test_touching_discs(method: RegionMethod, regions: int, ari: float) -> None:
    labels = discs((64, 40), (64, 80))
    result = found(labels, method)
    assert result.max() == regions
    assert score_slice(labels, result).foreground >= ari


@pytest.mark.parametrize("method", ["watershed", "components"])
def test_discs_apart_are_found_by_either_way(method: RegionMethod) -> None:
    labels = discs((30, 30), (90, 90), radius=15)
    assert score_slice(labels, found(labels, method)).all_pixels > 0.98


def test_a_structure_that_is_all_boundary_is_a_region_nevertheless() -> None:
    labels = np.zeros((SIZE, SIZE), dtype=np.int32)
    labels[20:23, 20:60] = 1
    labels[80:110, 80:110] = 2
    edges = boundaries(labels).astype(np.float32)
    edges[20:23, 20:60] = 1
    result = find_regions((labels > 0).astype(np.float32), edges, RegionSettings())
    assert result.max() == 2
    assert (result[21, 25:55] > 0).all()


def test_opening_cuts_a_bridge_of_one_pixel() -> None:
    labels = discs((64, 30), (64, 90), radius=15)
    labels[64, 30:90] = 1
    foreground = (labels > 0).astype(np.float32)
    whole = find_regions(foreground, None, RegionSettings(method="components", opening=0))
    cut = find_regions(foreground, None, RegionSettings(method="components", opening=2))
    assert (whole.max(), cut.max()) == (1, 2)


@pytest.mark.parametrize("method", ["watershed", "components"])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_nothing_and_everything(method: RegionMethod, level: float) -> None:
    flat = np.full((64, 64), level, dtype=np.float32)
    result = find_regions(flat, np.zeros_like(flat), RegionSettings(method=method))
    assert set(np.unique(result)) == {int(level)}


def test_small_regions_go_and_ids_close_up() -> None:
    labels = np.array([[1, 0, 2, 2], [0, 0, 2, 2], [3, 3, 3, 0]], dtype=np.int32)
    result = without_small(labels, 2)
    assert np.array_equal(result, [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 0]])


def test_boundaries_lie_inside_and_between_regions() -> None:
    labels = np.zeros((6, 8), dtype=np.int32)
    labels[:, 2:5], labels[:, 5:] = 1, 2
    expected = np.zeros((6, 8), dtype=bool)
    expected[:, [2, 4, 5]] = True  # not column 7: the slice's own edge says nothing
    assert np.array_equal(boundaries(labels), expected)


def test_masks_are_scored_by_their_mean_probability_best_first() -> None:
    regions = np.zeros((8, 8), dtype=np.int32)
    regions[:2], regions[4:] = 1, 2
    foreground = np.where(regions == 1, 0.6, 0.8).astype(np.float32)
    masks = masks_of_regions(7, regions, foreground, "unet")
    assert masks.scores.tolist() == pytest.approx([0.8, 0.6])
    assert masks.areas().tolist() == [32, 16]
    assert (masks.image_id, masks.sources) == (7, ("unet", "unet"))
    assert masks.boxes[1].tolist() == [0, 0, 8, 2]


def test_a_slice_without_regions_has_no_masks() -> None:
    masks = masks_of_regions(0, np.zeros((8, 8), np.int32), np.zeros((8, 8), np.float32), "unet")
    assert len(masks) == 0
