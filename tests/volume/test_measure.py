"""Volumes of solids that geometry knows, and the example of ParaSAM."""

import numpy as np
import pytest

from fewshot.slices.volume import grid_of
from fewshot.volume.clean import CleanRule
from fewshot.volume.interpolate import Sections, plane_positions, planes
from fewshot.volume.measure import measure
from tests.volume.solids import SOLIDS, cut, stack_of

PIXEL = (0.3, 0.36)
FINE = 0.4
# Fine enough that pixels do not hide what interpolation does.
FINE_PIXEL = (0.1, 0.12)


def test_the_example_of_parasam() -> None:
    # 237455 voxels of 0.04718 x 0.04718 x 0.076 mm: 40.17 mm3.
    assert grid_of(np.diag([0.076, 0.04718, 0.04718])).voxel_mm3 * 237_455 == pytest.approx(
        40.1708, abs=5e-5
    )
    labels = np.ones((60, 64, 64), np.uint8)
    labels.reshape(-1)[: labels.size - 237_455] = 0
    (found,) = measure(stack_of(labels, 0.076, (0.04718, 0.04718)), per_step=2)
    assert found.figures.voxels == 237_455
    assert round(found.figures.voxels_mm3, 2) == 40.17
    assert found.figures.voxels_ml == pytest.approx(0.0401708, abs=1e-6)


@pytest.mark.parametrize("name", SOLIDS)
def test_fine_slices_give_the_volume_of_a_solid(name: str) -> None:
    solid, true = SOLIDS[name]
    masks, *_ = cut(solid, FINE, PIXEL, 0.3)
    (found,) = measure(stack_of(masks, FINE, PIXEL))
    figures = found.figures
    assert figures.voxels_mm3 == pytest.approx(true, rel=0.02)
    assert figures.interpolated_mm3 == pytest.approx(true, rel=0.01)
    assert figures.mesh_mm3 == pytest.approx(true, rel=0.01)
    assert (figures.parts, figures.cavities) == (1, 0)


@pytest.mark.parametrize("name", SOLIDS)
def test_interpolation_halves_the_error_of_slices_four_times_as_far_apart(name: str) -> None:
    solid, true = SOLIDS[name]
    step, per_step = 4 * FINE, 5
    wrong = np.zeros(2)
    volumes = np.zeros(2)
    for offset in (0.1, 0.35, 0.6, 0.85):
        masks, z, y, x = cut(solid, step, FINE_PIXEL, offset)
        positions = plane_positions(Sections(masks, z, step, FINE_PIXEL), per_step)
        between = np.stack(
            [one > 0 for one in planes(Sections(masks, z, step, FINE_PIXEL), positions)]
        )
        stacked = masks[np.abs(positions[:, None] - z).argmin(axis=1)]
        truth = solid(positions[:, None, None], y[None, :, None], x[None, None, :])
        voxel = FINE_PIXEL[0] * FINE_PIXEL[1] * step / per_step
        for place, found in enumerate((stacked, between)):
            wrong[place] += np.count_nonzero(found ^ truth) * voxel
            volumes[place] += abs(np.count_nonzero(found) * voxel - true)
    assert wrong[1] < wrong[0] / 2
    assert volumes[1] < volumes[0] / 2
    assert volumes[1] < 0.01 * 4 * true


def test_a_caliper_finds_length_and_width() -> None:
    masks, *_ = cut(SOLIDS["ellipsoid"][0], FINE, PIXEL, 0.0)
    (found,) = measure(stack_of(masks, FINE, PIXEL))
    length, width = found.figures.length_mm, found.figures.width_mm
    assert length == pytest.approx(24, abs=0.3)
    assert width == pytest.approx(14, abs=0.5)
    assert length is not None
    assert width is not None
    assert found.figures.caliper_mm3 == pytest.approx(width**2 * length / 2)


def test_uneven_slices_stand_for_half_of_the_way_to_their_neighbours() -> None:
    stack = stack_of(np.ones((3, 4, 4)), 2.0)
    uneven = type(stack)(
        "uneven", stack.labels, np.array([0.0, 2.0, 8.0]), (1.0, 1.0), 2.0, stack.affine, True
    )
    (found,) = measure(uneven)
    assert found.figures.voxels_mm3 == pytest.approx(16 * (2 + 4 + 4))
    (note,) = uneven.warnings()
    assert "2 slices are missing between the first and the last: 2, 3" in note


def test_cavities_and_small_parts_are_counted_filled_and_dropped() -> None:
    labels = np.zeros((12, 20, 20), np.uint8)
    labels[2:10, 2:10, 2:10] = 1
    labels[5:7, 5:7, 5:7] = 0
    labels[5, 15, 15] = 1
    (as_is,) = measure(stack_of(labels))
    assert (as_is.figures.parts, as_is.figures.cavities, as_is.figures.voxels) == (2, 1, 505)
    (mended,) = measure(stack_of(labels), CleanRule(keep="largest", fill_holes=True))
    assert (mended.figures.parts, mended.figures.cavities, mended.figures.voxels) == (1, 0, 512)
    (large,) = measure(stack_of(labels), CleanRule(min_mm3=2))
    assert (large.figures.parts, large.figures.voxels) == (1, 504)
    assert list(measure(stack_of(labels), CleanRule(min_mm3=1000))) == []


def test_smoothing_keeps_the_volume_and_evens_the_surface_out() -> None:
    rng = np.random.default_rng(0)
    masks, *_ = cut(SOLIDS["sphere"][0], 0.9, (0.9, 0.9), 0.0)
    rough = masks ^ ((rng.random(masks.shape) < 0.2) & masks)
    (before,) = measure(stack_of(rough, 0.9, (0.9, 0.9)), CleanRule(fill_holes=True))
    (after,) = measure(stack_of(rough, 0.9, (0.9, 0.9)), CleanRule(fill_holes=True, smooth_mm=1.5))
    assert after.figures.voxels == pytest.approx(before.figures.voxels, rel=0.01)
    assert before.mesh is not None
    assert after.mesh is not None
    assert len(after.mesh.faces) < 0.9 * len(before.mesh.faces)
