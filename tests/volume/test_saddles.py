"""Heights at which parts of a structure flow together, on a ring that geometry knows."""

import math

import numpy as np
import pytest

from fewshot.volume.saddles import Saddle, find_saddles
from tests.volume.solids import SOLIDS, cut

PIXEL = (0.1, 0.12)
STEP = 1.6


def test_an_upright_ring_has_two_saddles_where_its_hole_ends() -> None:
    masks, z, *_ = cut(SOLIDS["upright torus"][0], STEP, PIXEL, 0.35)
    below, above = find_saddles(masks, z, STEP, PIXEL)
    # Half gap² = 36 - z² and half waist² = 16 - (10 - |z|)², so their slopes at 6 are 12 and 8.
    for saddle, height, side in ((below, -6, -1), (above, 6, 1)):
        assert saddle.side == side
        assert saddle.height == pytest.approx(height, abs=0.15)
        assert saddle.strength == pytest.approx(math.sqrt(12 * 8), rel=0.15)


@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "flat torus"])
def test_bodies_whose_parts_never_meet_have_none(name: str) -> None:
    masks, z, *_ = cut(SOLIDS[name][0], STEP, PIXEL, 0.35)
    assert find_saddles(masks, z, STEP, PIXEL) == []


def test_parts_that_appear_together_for_one_slice_only_are_no_saddle() -> None:
    masks = np.zeros((3, 12, 20), dtype=bool)
    masks[:, 3:9, 2:8] = masks[:, 3:9, 12:18] = True
    masks[2, 5:7] = True
    assert find_saddles(masks, np.arange(3.0), 1.0, (1.0, 1.0)) == []


def test_the_area_of_a_saddle_is_zero_on_it_and_a_step_away_and_turns_sign_between() -> None:
    saddle = Saddle(height=2.0, side=1, strength=3.0, step=0.5)
    at = np.array([2.0, 2.5, 1.5, 2.2, 1.8, 9.0])
    zero, above, below, up, down, far = saddle.area(at)
    assert [zero, above, below, far] == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert up == pytest.approx(-down)
    assert up > 0
