"""Listing, reading and writing slices, among them the files that users really have."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot.errors import InputError
from fewshot.slices.images import (
    image_size,
    image_stem,
    in_slice_order,
    list_images,
    name_a_few,
    read_channels,
    read_image,
    write_image,
)

GREY = np.arange(20 * 31, dtype=np.uint32).reshape(20, 31).astype(np.uint8)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10.png", "9.png", "0.png"], ["0.png", "9.png", "10.png"]),
        (["10", "9", "0"], ["0", "9", "10"]),
        # Not all integers: natural order, runs of digits by value.
        (["ct_10.png", "ct_9.png", "a.png"], ["a.png", "ct_9.png", "ct_10.png"]),
        (["p2_s10.png", "p10_s1.png", "p2_s9.png"], ["p2_s9.png", "p2_s10.png", "p10_s1.png"]),
        # Equal values: the name decides, so that the order is always the same.
        (["7.png", "07.png"], ["07.png", "7.png"]),
        # Longer than Python turns into an integer.
        (["9" * 5000, "1" + "0" * 5000], ["9" * 5000, "1" + "0" * 5000]),
    ],
)
def test_slice_order(names: list[str], expected: list[str]) -> None:
    assert in_slice_order(names) == expected
    assert in_slice_order(reversed(names)) == expected


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_integer_stems_are_ordered_by_value(numbers: list[int]) -> None:
    assert in_slice_order(f"{n}.png" for n in numbers) == [f"{n}.png" for n in sorted(numbers)]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("3.png", "3"),
        ("3", "3"),
        ("3.PNG", "3"),
        ("a.b.tif", "a.b"),
        ("a.b", "a.b"),
        (".png", ".png"),
    ],
)
def test_image_stem(name: str, stem: str) -> None:
    assert image_stem(name) == stem


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a"], "'a'"),
        (["a", "b", "c"], "'a', 'b', 'c'"),
        (list("abcde"), "'a', 'b', 'c' and 2 more"),
    ],
)
def test_name_a_few(names: list[str], expected: str) -> None:
    assert name_a_few(names) == expected


def test_a_folder_is_listed_in_slice_order_without_other_files(tmp_path: Path) -> None:
    for name in ["10.png", "9.png", "2.JPG"]:
        Image.fromarray(GREY).save(tmp_path / name)
    for name in ["._9.png", ".DS_Store", "readme.txt"]:
        (tmp_path / name).write_text("not an image")
    (tmp_path / "3.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["2.JPG", "9.png", "10.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "not a readable folder"),
        ([], "no image in this folder"),
        (["notes.txt"], "no image in this folder"),
        (["3.png", "3.jpg"], "'3.jpg' and '3.png' are the same slice"),
    ],
)
def test_a_folder_that_cannot_be_listed(
    tmp_path: Path, files: list[str] | None, message: str
) -> None:
    folder = tmp_path / "X_train"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(InputError, match=message) as caught:
        list_images(folder)
    assert str(folder) in str(caught.value)


def test_a_written_slice_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "0.png"
    write_image(path, GREY)
    assert image_size(path) == (20, 31)
    back = read_image(path)
    assert back.dtype == np.uint8
    assert back.flags.writeable
    np.testing.assert_array_equal(back, GREY)
    assert [file.name for file in path.parent.iterdir()] == ["0.png"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("0.jpg", GREY),
        ("0.png", GREY.astype(np.uint16)),
        ("0.png", GREY[None]),
        ("0.png", GREY[:0]),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, values: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"0\.(png|jpg): "):
        write_image(tmp_path / name, values)
    assert not list(tmp_path.iterdir())


def test_a_colour_slice_keeps_its_channels(tmp_path: Path) -> None:
    write_image(tmp_path / "0.png", COLOUR)
    np.testing.assert_array_equal(read_channels(tmp_path / "0.png"), COLOUR)
    Image.fromarray(COLOUR).convert("RGBA").save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_channels(tmp_path / "1.png"), COLOUR)


@pytest.mark.parametrize("image", [Image.fromarray(GREY), Image.fromarray(GREY.astype(np.uint16))])
def test_a_grey_slice_has_no_channels(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "0.png")
    with pytest.raises(InputError, match=r"0\.png: is no 8-bit colour image \(Pillow mode"):
        read_channels(tmp_path / "0.png")


COLOUR = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "suffix", "expected"),
    [
        (Image.fromarray(GREY), ".tif", GREY),
        (Image.fromarray(GREY), ".bmp", GREY),
        # Equal channels are the grey value itself, whatever else travels along.
        (Image.fromarray(np.stack([GREY] * 3, axis=-1)), ".png", GREY),
        (Image.fromarray(np.stack([GREY] * 4, axis=-1)), ".png", GREY),
        (Image.fromarray(np.stack([GREY, 255 - GREY], axis=-1)), ".png", GREY),
        (Image.fromarray(GREY).convert("P"), ".png", GREY),
        # Two values only, as masks are often stored.
        (Image.fromarray(GREY > 99), ".png", np.where(GREY > 99, 255, 0)),
        # Colour: luminance to within rounding.
        (Image.fromarray(COLOUR), ".png", COLOUR @ [0.299, 0.587, 0.114]),
    ],
    ids=["tif", "bmp", "rgb", "rgba", "grey-alpha", "palette", "bilevel", "colour"],
)
def test_kinds_of_images(
    tmp_path: Path, image: Image.Image, suffix: str, expected: np.ndarray
) -> None:
    path = tmp_path / f"0{suffix}"
    image.save(path)
    back = read_image(path)
    assert back.dtype == np.uint8
    np.testing.assert_allclose(back, expected, atol=0.51)


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.fromarray(GREY).convert("P").save(tmp_path / "0.png", transparency=bytes(range(256)))
    np.testing.assert_array_equal(read_image(tmp_path / "0.png"), GREY)


def _sixteen_bit_grey(path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(path)


def _sixteen_bit_colour(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), COLOUR.astype(np.uint16) * 257)


def _floats(path: Path) -> None:
    Image.fromarray(GREY.astype(np.float32)).save(path, format="TIFF")


def _stack(path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(path, format="TIFF", save_all=True, append_images=frames[1:])


def _gif(path: Path) -> None:
    Image.fromarray(GREY).save(path, format="GIF")


def _text(path: Path) -> None:
    path.write_text("not an image")


def _cut_short(path: Path) -> None:
    Image.fromarray(GREY).save(path)
    path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_sixteen_bit_grey, "not an 8-bit image .*; apply an intensity window"),
        (_sixteen_bit_colour, "not an 8-bit image"),
        (_floats, "not an 8-bit image"),
        (_stack, "holds several frames; save each slice as its own"),
        (_gif, "cannot be read as an image"),
        (_text, "cannot be read as an image"),
        (_cut_short, "cannot be read as an image"),
        (Path.touch, "cannot be read as an image"),
        (Path.mkdir, "cannot be read as an image"),
        (lambda path: None, "no such image"),
    ],
)
def test_images_that_are_refused(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "0.png"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_broken_bytes_give_an_image_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "0.png"
    Image.fromarray(GREY).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    message = str(path)
    try:
        assert read_image(path).ndim == 2
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))


def test_the_real_slices(headneck: Path) -> None:
    paths = list_images(headneck / "X_train")
    assert [path.name for path in paths] == [f"{number}.png" for number in range(934)]
    image = read_image(paths[0])
    assert image.shape == image_size(paths[0]) == (160, 160)
    with Image.open(paths[0]) as reference:
        np.testing.assert_array_equal(image, np.asarray(reference))
