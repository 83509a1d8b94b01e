from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.base import Settings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.report.gallery import pair_colors, picture_size
from fewshot.report.sections.overlaps import overlap_of
from fewshot.report.sections.settings import Difference, differing
from fewshot.report.soft_label_figures import threshold_curve

Masks = NDArray[np.bool_]


def squares(*places: tuple[int, int]) -> Masks:
    """Squares of 10 pixels at (row, column) on slices of 40 x 40."""
    masks = np.zeros((len(places), 40, 40), bool)
    for mask, (row, column) in zip(masks, places, strict=True):
        mask[row : row + 10, column : column + 10] = True
    return masks


def made(masks: Masks, *scores: float, image_id: int = 0) -> SliceMasks:
    values = np.array(scores or [1.0] * len(masks), np.float32)
    return SliceMasks.from_stack(image_id, masks, values, np.zeros((len(masks), 4), "f4"), "fine")


def of(*slices: SliceMasks) -> SliceSet:
    records = tuple(SliceRecord(one.image_id, f"{one.image_id}.png", 40, 40) for one in slices)
    return SliceSet(Path("X"), records, {}).with_masks(slices)


@pytest.mark.parametrize(
    ("truth", "found", "colors"),
    [
        (squares((5, 5), (20, 20)), squares((20, 20), (5, 5)), ([1, 2], [2, 1])),
        (squares((5, 5)), squares((5, 8)), ([1], [1])),  # IoU 70 / 130
        (squares((5, 5)), squares((5, 9)), ([0], [0])),  # IoU 60 / 140
        (squares((5, 5)), squares((5, 5), (6, 5)), ([1], [1, 1])),
        (squares((5, 5)), squares(), ([0], [])),
        (squares(), squares((5, 5)), ([], [0])),
    ],
)
def test_partners_share_a_colour_and_strangers_are_white(
    truth: Masks, found: Masks, colors: tuple[list[int], list[int]]
) -> None:
    assert pair_colors(made(truth), made(found)) == colors


@pytest.mark.parametrize(
    ("shape", "slices", "size"),
    [((512, 512), 24, 352), ((512, 512), 150, 320), ((512, 512), 500, 256), ((64, 64), 9999, 192)],
)
def test_pictures_are_smaller_where_there_are_many(
    shape: tuple[int, int], slices: int, size: int
) -> None:
    assert picture_size(shape, slices)[0] == (size, size)


def test_pictures_keep_the_shape_of_the_slice() -> None:
    assert picture_size((512, 256), 500)[0] == (128, 256)


def test_overlaps_are_counted_in_pixels() -> None:
    overlap = overlap_of(made(squares((0, 0), (0, 5), (20, 20))))
    assert (overlap.covered, overlap.shared) == (250, 50)
    assert overlap_of(SliceMasks.empty(0, 40, 40)).covered == 0


def test_precision_and_share_found_by_hand() -> None:
    """Two true squares on one slice, none on another; of four masks two are right."""
    truth = of(made(squares((5, 5), (20, 20))), SliceMasks.empty(1, 40, 40))
    first = made(squares((5, 5), (5, 6), (20, 21)), 0.9, 0.8, 0.4)  # right, doubled, right
    second = made(squares((0, 0)), 0.6, image_id=1)  # wrong
    curve = threshold_curve(truth, of(first, second))
    assert curve is not None
    at = {round(float(one), 2): row for row, one in enumerate(curve.thresholds)}
    for threshold, precision, found in ((0.3, 2 / 4, 1), (0.5, 1 / 3, 0.5), (0.85, 1, 0.5)):
        assert curve.precision[at[threshold]] == pytest.approx(precision)
        assert curve.found[at[threshold]] == pytest.approx(found)
    assert np.isnan(curve.precision[at[0.95]])
    assert threshold_curve(of(SliceMasks.empty(0, 40, 40)), of(first)) is None


class Model(Settings):
    name: str
    rate: float = 0.001


class Tree(Settings):
    models: tuple[Model, ...] = (Model(name="rough"), Model(name="fine"))
    sizes: tuple[int, ...] = ()
    control: bool = False
    limit: int | None = None


def test_settings_that_differ_are_named_by_their_dotted_keys() -> None:
    changed = Tree(
        models=(Model(name="rough", rate=0.002), Model(name="best")), control=True, limit=3
    )
    assert differing(Tree(), Tree()) == []
    assert differing(Tree(), changed) == [
        Difference("models.rough.rate", "0.001", "0.002"),
        Difference("models.fine.rate", "0.001", "–"),
        Difference("control", "no", "yes"),
        Difference("limit", "none", "3"),
        Difference("models.best.rate", "–", "0.001"),
    ]
