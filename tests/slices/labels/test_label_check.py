"""Labels are told from pictures, and from masks that lost their edges."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.slices.images import read_image
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.labels.check import LabelRules, check_label_map
from fewshot.slices.phantom import phantom_slice
from fewshot.slices.remarks import collecting

ROWS, COLUMNS = np.mgrid[:128, :128]
DISK = ((ROWS - 60) ** 2 + (COLUMNS - 50) ** 2 < 30**2).astype(np.uint8)
RING = np.where(ndimage.binary_erosion(DISK), 2, DISK).astype(np.uint8)


def check(values: Any, rules: LabelRules | None = None) -> Any:
    height, width = values.shape
    return check_label_map(values, height, width, "a.png", rules or LabelRules())


def jpeg(mask: Any, quality: int) -> Any:
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream))


def resized(mask: Any, side: int, how: Image.Resampling) -> Any:
    return np.array(Image.fromarray(mask).resize((side, side), how))


SMOOTH = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(256, 256)), 12)
NOT_LABELS: dict[str, Any] = {
    "noise": np.random.default_rng(0).integers(20, 90, (80, 96)),
    "phantom": phantom_slice(np.random.default_rng(3), 160)[0],
    "smooth": ((SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH) * 255).astype(np.uint8),
    **{f"JPEG {quality}": jpeg(DISK * 255, quality) for quality in (50, 75, 90, 95, 100)},
    **{
        f"{how.name} {side}": resized(DISK * 255, side, how)
        for how in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
        for side in (64, 100, 200, 300)
    },
    "box": resized(DISK * 255, 64, Image.Resampling.BOX),
    "blurred": np.rint(ndimage.gaussian_filter(DISK * 255.0, 2)).astype(np.uint8),
    "ids between": ndimage.zoom((DISK * 100.0), 1.7, order=1).astype(np.uint8),
    "4097 ids": np.kron(np.arange(4225).reshape(65, 65), np.ones((4, 4), int)),
}


@pytest.mark.parametrize("kind", NOT_LABELS)
def test_pictures_and_soft_edges_are_refused_by_what_they_hold(kind: str) -> None:
    with pytest.raises(InputError, match=r"a\.png: holds \d+ ids from .* of the slice, ") as caught:
        check(NOT_LABELS[kind])
    assert "--label-threshold" in str(caught.value)
    assert check(NOT_LABELS[kind], LabelRules(trusted=True)) is NOT_LABELS[kind]


@pytest.mark.parametrize(
    "kind", [one for one in NOT_LABELS if one[0] in "JBLb" and one != "ids between"]
)
def test_a_threshold_makes_one_structure_of_a_soft_mask(kind: str) -> None:
    ids = check(NOT_LABELS[kind], LabelRules(threshold=128))
    assert np.unique(ids).tolist() == [0, 1]
    side = len(ids)
    expected = DISK[(np.arange(side) * 128 // side)[:, None], np.arange(side) * 128 // side]
    assert np.count_nonzero((ids > 0) != (expected > 0)) < 0.03 * ids.size


SINGLES = np.zeros((64, 64), np.uint8)
SINGLES[5:60:7, 5:60:7] = np.arange(64).reshape(8, 8) + 1
LABELS: dict[str, Any] = {
    "disk": DISK,
    "two values": DISK * 255,
    "ring": RING,
    "nothing": DISK * 0,
    "lesions of a pixel": SINGLES,
    "layers": np.clip(ROWS // 3, 0, 20),
    "superpixels": ROWS // 8 * 16 + COLUMNS // 8 + 1,
    "phantom": phantom_slice(np.random.default_rng(3), 160)[1],
    "bool": DISK > 0,
}


@pytest.mark.parametrize("kind", LABELS)
def test_regions_are_labels(kind: str) -> None:
    np.testing.assert_array_equal(check(LABELS[kind]), LABELS[kind])


@settings(max_examples=50, deadline=None)
@given(
    seeds=st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63)), min_size=1, max_size=40),
    ids=st.data(),
)
def test_any_partition_into_regions_is_labels(seeds: Any, ids: Any) -> None:
    """Every pixel takes the id of its nearest seed: regions of all sizes, in any order of ids."""
    there = np.ones((64, 64), bool)
    names = ids.draw(
        st.lists(st.integers(0, 255), min_size=len(seeds), max_size=len(seeds), unique=True)
    )
    values = np.zeros((64, 64), np.uint8)
    for (row, column), name in zip(seeds, names, strict=True):
        there[row, column], values[row, column] = False, name
    rows, columns = ndimage.distance_transform_edt(
        there, return_distances=False, return_indices=True
    )
    np.testing.assert_array_equal(check(values[rows, columns]), values[rows, columns])


def test_the_real_labels_are_labels_and_the_real_pictures_are_not(headneck: Path) -> None:
    table = read_label_csv(headneck / "Y_test.csv.gz")
    for name in table.names:
        check(table.label_map(name, 160, 160))
    for number in range(0, 150, 10):
        with pytest.raises(InputError, match="a picture, or a mask with soft edges"):
            check(read_image(headneck / "X_test" / f"{number}.png"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 0.372]]), r"fractions, such as 0\.372"),
        (np.array([[0, np.nan]]), "hold NaN"),
        (np.array([[0, np.inf]]), "hold NaN or infinity"),
        (np.array([[0, 1e12]]), r"hold 1e\+12"),
        (np.array([[0, -1.0]]), "label -1 is negative"),
    ],
)
def test_values_that_are_no_ids(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.png: .*{message}"):
        check(values)


@given(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.floats(-0.009, 0.009))
def test_nearly_whole_numbers_are_rounded_and_said(ids: list[int], off: float) -> None:
    values = np.array([ids], float) + off
    with collecting() as remarks:
        assert check(values).tolist() == [ids]
    said = any("nearly whole" in line for line in remarks.lines())
    assert said == bool((values != np.rint(values)).any())


def test_sides_that_are_swapped_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels are 2 x 3, .*, turned as the slice is shown"):
        check_label_map(np.zeros((2, 3)), 3, 2, "a.png")


def test_labels_without_background_are_said() -> None:
    with collecting() as remarks:
        check(LABELS["superpixels"])
    assert remarks.lines() == ["labels without any background (id 0) (a.png)"]
