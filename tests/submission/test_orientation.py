"""Transposed label maps are noticed, and right ones are left alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.classical.watershed import watershed_label_map
from fewshot.slices.images import list_images, read_image, write_image
from fewshot.slices.label_csv import LabelTable, read_label_csv
from fewshot.slices.phantom import phantom_slice
from fewshot.submission.orientation import orientation_findings, transposed

LabelMap = NDArray[np.uint8]


def table(label_maps: list[LabelMap]) -> LabelTable:
    names = tuple(f"{index}.png" for index in range(len(label_maps)))
    return LabelTable(names, np.stack([one.ravel() for one in label_maps]))


def turned(labels: LabelTable, height: int, width: int) -> LabelTable:
    """Return the label maps as they are when each was written column by column."""
    maps = [ids.reshape(height, width).ravel(order="F") for ids in labels.pixels]
    return LabelTable(labels.names, np.stack(maps))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], LabelTable]:
    """Phantom slices of 96 x 64 with their labels."""
    folder, maps = tmp_path_factory.mktemp("wide"), []
    for index in range(8):
        image, label_map = phantom_slice(np.random.default_rng(index), 96)
        write_image(folder / f"{index}.png", np.ascontiguousarray(image[:, 16:80]))
        maps.append(np.ascontiguousarray(label_map[:, 16:80]))
    return list_images(folder), table(maps)


def test_what_transposed_means() -> None:
    label_map = np.arange(6).reshape(2, 3)
    written = label_map.ravel(order="F").reshape(2, 3)
    np.testing.assert_array_equal(transposed(written), label_map)
    square = np.arange(9).reshape(3, 3)
    np.testing.assert_array_equal(transposed(square), square.T)


def test_images_that_are_not_square(wide: tuple[list[Path], LabelTable]) -> None:
    images, labels = wide
    wrong = turned(labels, 96, 64)
    for reference in (None, labels):
        assert orientation_findings(labels, images, reference) == []
        (finding,) = orientation_findings(wrong, images, reference)
        assert "look transposed" in finding


def test_real_slices_against_images_labels_and_other_patients(headneck: Path) -> None:
    images = list_images(headneck / "X_test")
    labels = read_label_csv(headneck / "Y_test.csv.gz")
    others = read_label_csv(headneck / "Y_train.csv.gz")
    unnamed = LabelTable(tuple(f"other{name}" for name in others.names), others.pixels)
    wrong = turned(labels, 160, 160)
    for reference in (None, labels, others, unnamed):
        assert orientation_findings(labels, images, reference) == []
        assert len(orientation_findings(wrong, images, reference)) == 1
    assert "correlate" in orientation_findings(wrong, [], unnamed)[0]


def test_poor_predictions_are_left_alone(headneck: Path) -> None:
    images = list_images(headneck / "X_test")[:12]
    labels = read_label_csv(headneck / "Y_test.csv.gz")
    watershed = table([watershed_label_map(read_image(path)).astype(np.uint8) for path in images])
    shuffled = LabelTable(labels.names, np.roll(labels.pixels, 40, axis=0))
    noise = np.random.default_rng(0).integers(0, 9, (12, 25600), dtype=np.uint8)
    for guess in (watershed, shuffled, LabelTable(watershed.names, noise)):
        for reference in (None, labels):
            assert orientation_findings(guess, images, reference) == []


def test_too_little_to_tell(headneck: Path) -> None:
    images = list_images(headneck / "X_test")
    labels = read_label_csv(headneck / "Y_test.csv.gz")
    wrong = turned(labels, 160, 160)
    few = LabelTable(wrong.names[:2], wrong.pixels[:2])
    empty = LabelTable(wrong.names, np.zeros_like(wrong.pixels))
    for guess in (few, empty):
        for reference in (None, labels):
            assert orientation_findings(guess, images, reference) == []
    # Other pixels than the reference's are no reason to fail.
    assert orientation_findings(table([np.ones((3, 3), dtype=np.uint8)] * 4), [], labels) == []
