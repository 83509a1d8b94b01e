import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fewshot.report.gallery import (
    Panel,
    choose_slices,
    comparison,
    pair_regions,
    soft_labels,
    spread,
)

LabelMap = NDArray[np.uint8]
WHITE, FIRST = (255, 255, 255), (230, 159, 0)


def squares(*places: tuple[int, int, int], side: int = 40) -> LabelMap:
    """A label map with a square of 10 pixels for each (id, row, column)."""
    labels = np.zeros((side, side), np.uint8)
    for label, row, column in places:
        labels[row : row + 10, column : column + 10] = label
    return labels


def pixels(panel: Panel) -> NDArray[np.uint8]:
    prefix, _, content = panel.source.partition(",")
    assert prefix == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert image.size == (panel.width, panel.height)
    return np.asarray(image.convert("RGB"))


def colors(panel: Panel) -> set[tuple[int, ...]]:
    found = pixels(panel).reshape(-1, 3)
    return {tuple(color) for color in np.unique(found, axis=0).tolist()}


@pytest.mark.parametrize(
    ("truth", "prediction", "pairs"),
    [
        (squares((3, 5, 5)), squares((7, 5, 5)), [(3, 7)]),
        (squares((3, 5, 5)), squares((7, 5, 8)), [(3, 7)]),  # IoU 70 / 130
        (squares((3, 5, 5)), squares((7, 5, 9)), []),  # IoU 60 / 140
        (squares((1, 0, 0), (2, 20, 20)), squares((9, 20, 20), (255, 0, 0)), [(1, 255), (2, 9)]),
        (squares(), squares((7, 5, 9)), []),
        (squares((3, 5, 5)), squares(), []),
    ],
)
def test_regions_pair_above_half_overlap(
    truth: LabelMap, prediction: LabelMap, pairs: list[tuple[int, int]]
) -> None:
    assert pair_regions(truth, prediction) == pairs


def test_pairs_share_a_colour_and_strangers_are_white() -> None:
    truth = squares((1, 0, 0), (2, 20, 20))
    found = squares((1, 0, 0), (2, 28, 0))
    shown = comparison(np.zeros_like(truth), truth, found, found, foreground=False)
    for panel in shown:
        assert {WHITE, FIRST} <= colors(panel)
    assert "2, of which 1 have a true partner" in shown[1].alt


def test_foreground_pairing_ignores_what_the_truth_leaves_unlabelled() -> None:
    truth = squares((1, 5, 5))
    everything = np.ones_like(truth)
    for foreground, color in ((True, FIRST), (False, WHITE)):
        _, final = comparison(truth, truth, everything, truth, foreground=foreground)
        assert color in colors(final)
        assert not {WHITE, FIRST} - {color} & colors(final)


def test_outline_lies_on_the_edge_of_its_region_and_not_on_the_slices_edge() -> None:
    truth = np.zeros((288, 288), np.uint8)
    truth[:100, :200] = 1
    truth_panel, _ = comparison(np.zeros_like(truth), truth, truth, truth, foreground=False)
    outline = (pixels(truth_panel) == FIRST).all(axis=2)
    assert not outline[0, 0]
    assert outline[99, :200].all()
    assert outline[:100, 199].all()
    assert not outline[100:].any()
    assert not outline[:97, :197].any()


@pytest.mark.parametrize(("shape", "size"), [((512, 256), (144, 288)), ((64, 64), (288, 288))])
def test_panels_keep_the_shape_of_the_slice(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.full(shape, 128, np.uint8)
    plain, labelled = soft_labels(image, np.zeros((0, *shape), bool))
    assert (plain.width, plain.height) == (labelled.width, labelled.height) == size
    assert np.ptp(pixels(plain)) == 0
    assert abs(int(pixels(plain)[0, 0, 0]) - 128) <= 2


def test_soft_labels_that_overlap_are_all_outlined() -> None:
    masks = np.zeros((2, 40, 40), bool)
    masks[0, 5:30, 5:30] = True
    masks[1, 20:35, 20:35] = True
    _, panel = soft_labels(np.zeros((40, 40), np.uint8), masks)
    assert {FIRST, (86, 180, 233)} <= colors(panel)


@pytest.mark.parametrize(
    ("count", "groups"),
    [
        (0, []),
        (1, [("All", [0])]),
        (2, [("All", [0, 1])]),
        (3, [("Worst", [0]), ("Median", [1]), ("Best", [2])]),
        (5, [("Worst", [0, 1]), ("Median", [2, 3]), ("Best", [4])]),
        (6, [("Worst", [0, 1]), ("Median", [2, 3]), ("Best", [4, 5])]),
        (7, [("Worst", [0, 1]), ("Median", [2, 3]), ("Best", [5, 6])]),
        (100, [("Worst", [0, 1]), ("Median", [49, 50]), ("Best", [98, 99])]),
    ],
)
def test_worst_median_and_best_slices(count: int, groups: list[tuple[str, list[int]]]) -> None:
    scores = {image_id: image_id / 100 for image_id in reversed(range(count))}
    assert choose_slices(scores, 6) == groups


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(0, 3, []), (2, 3, [0, 1]), (5, 3, [0, 2, 4]), (9, 3, [0, 4, 8])],
)
def test_spread(count: int, most: int, expected: list[int]) -> None:
    assert spread(range(count), most) == expected
