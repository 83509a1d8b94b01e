import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewshot.config.sam import AutomaticMaskSettings
from fewshot.masks.coco import SliceSet
from fewshot.sam.auto import (
    _Found,
    _wanted,
    _without_doubles,
    _without_overlap,
    automatic_masks,
)
from fewshot.sam.embeddings import Embedder
from fewshot.sam.model import SamModel
from fewshot.slices.images import read_image

SIZE = 40


def _disks(*disks: tuple[int, int, int]) -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.stack([(y - cy) ** 2 + (x - cx) ** 2 <= r * r for cy, cx, r in disks])


def _body() -> NDArray[np.uint8]:
    """A bright body in the dark, with a dark hole in it."""
    image = np.where(_disks((20, 20, 17))[0], 120, 0).astype(np.uint8)
    image[_disks((20, 20, 4))[0]] = 0
    return image


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (_disks((15, 15, 5))[0], True),
        (_disks((20, 20, 4))[0], True),  # dark, but inside the body
        (_disks((15, 15, 0))[0], False),  # one pixel
        (_disks((20, 20, 17))[0], False),  # more than 0.4 of the slice
        (_body() == 0, False),  # all around, along the border
        (_disks((2, 2, 4))[0], False),  # in the dark of a corner
        (_disks((20, 4, 5))[0], True),  # at the border, mostly of the body
    ],
)
def test_size_border_and_background(mask: NDArray[np.bool_], wanted: bool) -> None:
    settings = AutomaticMaskSettings(min_area=0.002)
    assert _wanted(mask[None], _body(), settings).tolist() == [wanted]


def test_of_doubles_the_better_is_kept() -> None:
    found = _Found(
        _disks((15, 15, 8), (15, 16, 8), (15, 15, 4)), np.array([0.7, 0.8, 0.6], np.float32)
    )
    assert _without_doubles(found, 0.7).tolist() == [1, 2]
    assert _without_doubles(found, 0.95).tolist() == [1, 0, 2]


def test_overlaps_go_to_the_smaller_or_to_the_better() -> None:
    masks = _disks((15, 15, 8), (15, 20, 4))
    found = _Found(masks, np.array([0.9, 0.6], np.float32))
    smaller = _without_overlap(found, AutomaticMaskSettings(overlap="smaller"))
    assert np.array_equal(smaller.masks[1], masks[1])
    assert np.array_equal(smaller.masks[0], masks[0] & ~masks[1])
    better = _without_overlap(found, AutomaticMaskSettings(overlap="better"))
    assert np.array_equal(better.masks[0], masks[0])
    assert np.array_equal(better.masks[1], masks[1] & ~masks[0])
    left = int((masks[1] & ~masks[0]).sum())
    few = _without_overlap(
        found, AutomaticMaskSettings(overlap="better", min_area=(left + 1) / SIZE**2)
    )
    assert len(few.masks) == 1  # too little was left of the other


def test_regions_are_disjoint_and_come_out_the_same_again(
    tiny: SamModel, miniature: SliceSet
) -> None:
    record = miniature.records[0]
    image = read_image(miniature.path_of(record))
    features = Embedder(tiny).of(miniature, record)
    settings = AutomaticMaskSettings(
        points_per_side=5,
        min_quality=-9,
        min_stability=0,
        max_border=1,
        max_background=1,
        max_area=1,
    )
    found = automatic_masks(tiny, features, 0, image, settings)
    assert len(found) > 1
    assert found.decode().sum(axis=0).max() == 1
    assert (np.diff(found.scores) <= 0).all()
    again = automatic_masks(tiny, features.clone(), 0, image, settings)
    assert found.rles == again.rles
    strict = AutomaticMaskSettings(points_per_side=5, min_quality=1.0)
    assert len(automatic_masks(tiny, features, 0, image, strict)) == 0


def test_the_grid_is_the_packages() -> None:
    from segment_anything.utils.amg import build_point_grid

    assert torch.tensor(build_point_grid(2)).tolist() == [
        [0.25, 0.25],
        [0.75, 0.25],
        [0.25, 0.75],
        [0.75, 0.75],
    ]
