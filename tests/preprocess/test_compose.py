"""Steps in order, channels side by side, and slices read as models are to see them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.errors import InputError
from fewshot.preprocess import reader
from fewshot.preprocess.compose import preprocess
from fewshot.preprocess.denoising import median, total_variation
from fewshot.preprocess.filters import clahe, sobel
from fewshot.preprocess.reader import BoundedCache, read_preprocessed
from fewshot.slices.images import write_image

Image = NDArray[np.uint8]


def wanted(**values: object) -> PreprocessSettings:
    return PreprocessSettings.model_validate(values)


@pytest.fixture
def image() -> Image:
    smooth = np.random.default_rng(0).integers(0, 256, (6, 8)).repeat(8, 0).repeat(8, 1)
    return smooth.astype(np.uint8)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_cache", None)


def test_without_steps_a_slice_stays_as_it_is(image: Image) -> None:
    np.testing.assert_array_equal(preprocess(image, AS_READ), image)


def test_steps_follow_one_another(image: Image) -> None:
    both = preprocess(image, wanted(steps=["clahe", {"step": "tv", "weight": 0.2}]))
    np.testing.assert_array_equal(both, total_variation(clahe(image), 0.2))
    other = preprocess(image, wanted(steps=[{"step": "tv", "weight": 0.2}, "clahe"]))
    assert not np.array_equal(both, other)


def test_channels_go_on_from_the_common_steps(image: Image) -> None:
    made = preprocess(image, wanted(steps=["median"], channels=[[], ["clahe"], ["sobel"]]))
    smooth = median(image)
    np.testing.assert_array_equal(made, np.stack([smooth, clahe(smooth), sobel(smooth)], axis=2))


def test_colours_are_kept_apart(image: Image) -> None:
    colour = np.stack([image, 255 - image, image // 2], axis=2)
    np.testing.assert_array_equal(preprocess(colour, wanted(input="colour")), colour)
    made = preprocess(colour, wanted(input="colour", steps=["clahe"], channels=[[], [], ["sobel"]]))
    expected = [clahe(image), clahe(255 - image), sobel(clahe(image // 2))]
    np.testing.assert_array_equal(made, np.stack(expected, axis=2))


@pytest.mark.parametrize(
    ("shape", "settings", "words"),
    [
        ((8, 8), {"input": "colour"}, r"preprocess.input: colour: the image has shape \(8, 8\)"),
        ((8, 8, 4), {"input": "colour"}, "has shape"),
        ((8, 8, 3), {"steps": ["clahe"]}, "give 8-bit grey"),
        ((8, 8, 3), {}, "give 8-bit grey"),
    ],
)
def test_another_kind_of_image_is_refused(
    shape: tuple[int, ...], settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        preprocess(np.zeros(shape, np.uint8), wanted(**settings))


@pytest.mark.usefixtures("empty_cache")
def test_a_file_is_read_as_the_settings_want_it_each_time(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "0.png"
    write_image(path, image)
    np.testing.assert_array_equal(read_preprocessed(path, AS_READ), image)
    for _ in range(2):
        np.testing.assert_array_equal(
            read_preprocessed(path, wanted(steps=["clahe"])), clahe(image)
        )
        np.testing.assert_array_equal(
            read_preprocessed(path, wanted(steps=["sobel"])), sobel(image)
        )
    write_image(path, image.T.copy())
    changed = read_preprocessed(path, wanted(steps=["clahe"]))
    np.testing.assert_array_equal(changed, clahe(image.T.copy()))


@pytest.mark.usefixtures("empty_cache")
def test_a_slice_is_worked_on_once(
    tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(one: Image, settings: PreprocessSettings) -> Image:
        calls.append(settings)
        return preprocess(one, settings)

    monkeypatch.setattr(reader, "preprocess", counted)
    write_image(tmp_path / "0.png", image)
    first, again = (
        read_preprocessed(tmp_path / "0.png", wanted(steps=["clahe"])) for _ in range(2)
    )
    assert len(calls) == 1
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        again[0, 0] = 1


@pytest.mark.usefixtures("empty_cache")
def test_grey_files_have_no_colours_and_colour_files_do(tmp_path: Path, image: Image) -> None:
    write_image(tmp_path / "grey.png", image)
    with pytest.raises(InputError, match=r"grey\.png: is no 8-bit colour image .* three --window"):
        read_preprocessed(tmp_path / "grey.png", wanted(input="colour"))
    colour = np.stack([image, 255 - image, image // 2], axis=2)
    write_image(tmp_path / "colour.png", colour)
    np.testing.assert_array_equal(
        read_preprocessed(tmp_path / "colour.png", wanted(input="colour")), colour
    )
    assert read_preprocessed(tmp_path / "colour.png", wanted(steps=["clahe"])).ndim == 2


@pytest.mark.usefixtures("empty_cache")
def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: cannot be read"):
        read_preprocessed(tmp_path / "gone.png", wanted(steps=["clahe"]))


@pytest.mark.usefixtures("empty_cache")
def test_the_bound_of_the_cache_is_a_number(
    tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(reader.CACHE_VARIABLE, "lots")
    write_image(tmp_path / "0.png", image)
    with pytest.raises(InputError, match="FEWSHOT_CACHE_MB: 'lots' is no number of megabytes"):
        read_preprocessed(tmp_path / "0.png", wanted(steps=["clahe"]))


def test_a_cache_never_holds_more_than_its_bound() -> None:
    cache = BoundedCache(1000)
    arrays = [np.full(90, number, np.uint8) for number in range(40)]
    for number, array in enumerate(arrays):
        cache.put(number, array)
        cache.put(number, array)  # the same again takes no room
        assert cache.bytes <= 1000
        assert cache.bytes == 90 * len(cache)
    assert len(cache) == 11
    held = [number for number in range(40) if cache.get(number) is not None]
    assert len(held) == 11
    for number in held:
        np.testing.assert_array_equal(cache.get(number), arrays[number])
    cache.put("large", np.zeros(1001, np.uint8))
    assert cache.get("large") is None
    assert len(cache) == 11
