from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.classical.watershed import watershed_label_map
from fewshot.errors import InputError
from fewshot.metrics.rand import score_slice
from fewshot.slices.images import list_images, read_image
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.phantom import PhantomSettings, phantom_slice, write_phantom

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SMALL = PhantomSettings(size=64, labelled=4, unlabelled=3, test=3, seed=5)


def make(seed: int, size: int = 128) -> Pair:
    return phantom_slice(np.random.default_rng([11, seed]), size)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [make(seed) for seed in range(40)]


def structures(label_map: NDArray[np.uint8]) -> list[int]:
    return [int(value) for value in np.unique(label_map) if value]


def neighbours(label_map: NDArray[np.uint8], structure: int) -> set[int]:
    """The labels of the pixels that share an edge with a structure."""
    mask = label_map == structure
    ring = ndimage.binary_dilation(mask) & ~mask
    return {int(value) for value in np.unique(label_map[ring])}


@pytest.mark.parametrize("size", [64, 97, 128, 512])
def test_slice_has_the_asked_size_and_is_eight_bit(size: int) -> None:
    image, label_map = make(0, size)
    assert image.shape == label_map.shape == (size, size)
    assert image.dtype == label_map.dtype == np.uint8


def test_same_generator_state_gives_the_same_slice() -> None:
    for one, other in zip(make(3), make(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(make(3)[0], make(4)[0])


def test_a_slice_has_four_to_eighteen_structures_under_arbitrary_ids(pairs: list[Pair]) -> None:
    counts = [len(structures(label_map)) for _, label_map in pairs]
    assert min(counts) >= 4
    assert max(counts) <= 18
    assert max(counts) - min(counts) >= 8
    # Neither numbered from 1 on, nor by place.
    assert any(structures(label_map) != list(range(1, 19)) for _, label_map in pairs)
    assert len({int(label_map[70, 64]) for _, label_map in pairs}) > 10


def test_structures_touch_and_nest_and_are_seen(pairs: list[Pair]) -> None:
    areas, nesting = [], 0
    for _, label_map in pairs:
        around = {value: neighbours(label_map, value) for value in structures(label_map)}
        assert any(len(labels - {0}) >= 1 for labels in around.values())
        nesting += any(0 not in labels and len(labels) == 1 for labels in around.values())
        areas += [int((label_map == value).sum()) for value in around]
    assert nesting >= 0.8 * len(pairs)
    assert min(areas) >= 26
    assert np.median(areas) >= 12**2  # most are more than 12 pixels across
    covered = float(np.mean([(label_map > 0).mean() for _, label_map in pairs]))
    assert 0.25 <= covered <= 0.45


def test_organs_stand_out_from_the_rest_of_the_body(pairs: list[Pair]) -> None:
    differences = []
    for image, label_map in pairs:
        assert image[:3, :3].max() == 0  # air
        assert np.percentile(image, 99) > 180  # bone
        inside = ndimage.binary_erosion(label_map > 0, iterations=2)
        rest = ndimage.binary_erosion(image > 20, iterations=2) & (label_map == 0)
        differences.append(np.median(image[inside]) - np.median(image[rest]))
    assert np.mean(differences) > 25


def test_watershed_scores_low(pairs: list[Pair]) -> None:
    scores = [score_slice(truth, watershed_label_map(image)) for image, truth in pairs]
    assert float(np.mean([score.all_pixels for score in scores])) <= 0.12


def test_written_files_have_the_challenge_layout(tmp_path: Path) -> None:
    write_phantom(tmp_path, SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "X_test",
        "X_train",
        "Y_test.csv.gz",
        "Y_train.csv.gz",
        "groups.csv",
        "groups_test.csv",
    ]
    train = [path.name for path in list_images(tmp_path / "X_train")]
    assert train == [f"{index}.png" for index in range(7)]
    assert read_image(tmp_path / "X_train" / "0.png").shape == (64, 64)
    table = read_label_csv(tmp_path / "Y_train.csv.gz")
    assert [table.is_labelled(name) for name in train] == [True] * 4 + [False] * 3
    test_table = read_label_csv(tmp_path / "Y_test.csv.gz")
    assert all(test_table.is_labelled(f"{index}.png") for index in range(3))


def test_labels_lie_on_their_images(tmp_path: Path) -> None:
    write_phantom(tmp_path, SMALL)
    table = read_label_csv(tmp_path / "Y_train.csv.gz")
    for name in ("0.png", "1.png", "2.png", "3.png"):
        image = read_image(tmp_path / "X_train" / name)
        label_map = table.label_map(name, 64, 64)
        assert (label_map > 0)[image > 190].mean() > 0.5  # the vertebra, not the ribs
        assert image[label_map > 0].mean() > image[label_map == 0].mean() + 30


def group_rows(path: Path) -> Iterator[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "image,patient"
    return (line.split(",") for line in lines[1:])


def test_neighbouring_slices_share_a_patient_and_parts_do_not(tmp_path: Path) -> None:
    write_phantom(tmp_path, PhantomSettings(size=64, labelled=7, unlabelled=6, test=6))
    train = dict(group_rows(tmp_path / "groups.csv"))
    test = dict(group_rows(tmp_path / "groups_test.csv"))
    assert list(train) == [f"{index}.png" for index in range(13)]
    labelled = {train[f"{index}.png"] for index in range(7)}
    unlabelled = {train[f"{index}.png"] for index in range(7, 13)}
    assert [len(part) for part in (labelled, unlabelled, set(test.values()))] == [3, 2, 2]
    assert not labelled & unlabelled
    assert not (labelled | unlabelled) & set(test.values())
    images = [read_image(tmp_path / "X_test" / name).astype(float) for name in test]
    near, far = np.abs(images[0] - images[1]).mean(), np.abs(images[0] - images[3]).mean()
    assert near < far


@pytest.mark.parametrize("labelled", [2, 3, 4, 5])
def test_few_labelled_slices_still_have_two_patients(tmp_path: Path, labelled: int) -> None:
    write_phantom(tmp_path, PhantomSettings(size=64, labelled=labelled, unlabelled=0, test=0))
    assert len({patient for _, patient in group_rows(tmp_path / "groups.csv")}) >= 2
    assert not (tmp_path / "X_test").exists()


def test_a_data_set_is_reproducible_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_phantom(tmp_path / name, SMALL)
    write_phantom(tmp_path / "one", SMALL)  # written over itself
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 14
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_slice_does_not_depend_on_how_many_are_made(tmp_path: Path) -> None:
    write_phantom(tmp_path / "few", PhantomSettings(64, labelled=6, unlabelled=0, test=6))
    write_phantom(tmp_path / "many", PhantomSettings(64, labelled=8, unlabelled=2, test=9))
    few = read_label_csv(tmp_path / "few" / "Y_train.csv.gz")
    many = read_label_csv(tmp_path / "many" / "Y_train.csv.gz")
    for name in (f"{index}.png" for index in range(6)):
        for folder in ("X_train", "X_test"):
            one, other = (read_image(tmp_path / run / folder / name) for run in ("few", "many"))
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(few.label_map(name, 64, 64), many.label_map(name, 64, 64))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"size": 63}, "size"),
        ({"size": 128.0}, "size"),
        ({"labelled": 1}, "labelled"),
        ({"labelled": True}, "labelled"),
        ({"unlabelled": -1}, "unlabelled"),
        ({"test": -1}, "test"),
        ({"test": None}, "test"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf"^phantom {key}: .*give an integer from \d+ up$"):
        PhantomSettings(**settings)


def test_images_of_another_data_set_are_not_mixed_in(tmp_path: Path) -> None:
    write_phantom(tmp_path, SMALL)
    with pytest.raises(InputError, match=r"X_train: already holds 6\.png"):
        write_phantom(tmp_path, PhantomSettings(size=64, labelled=4, unlabelled=2, test=3))
