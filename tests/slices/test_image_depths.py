"""Images deeper than 8 bits keep their values; label images keep their ids."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.slices.images import is_eight_bit, read_ids, read_values

DEEP = np.random.default_rng(0).integers(0, 65536, (20, 31), dtype=np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 65536, (20, 31, 3), dtype=np.uint16)


@pytest.mark.parametrize("name", ["0.png", "0.tif"])
def test_sixteen_bits_are_kept(tmp_path: Path, name: str) -> None:
    Image.fromarray(DEEP).save(tmp_path / name)
    np.testing.assert_array_equal(read_values(tmp_path / name), DEEP)
    assert not is_eight_bit(tmp_path / name)


@pytest.mark.parametrize("name", ["0.png", "0.tif"])
def test_sixteen_bit_colour_is_its_luminance(tmp_path: Path, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), COLOUR[..., ::-1])
    expected = COLOUR @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(read_values(tmp_path / name), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_deep_tiffs_are_kept(tmp_path: Path, dtype: type) -> None:
    values: np.ndarray = DEEP.astype(dtype) - 1000
    Image.fromarray(values).save(tmp_path / "0.tif")
    np.testing.assert_array_equal(read_values(tmp_path / "0.tif"), values)


def test_eight_bits_stay_eight_bits(tmp_path: Path) -> None:
    grey = DEEP.astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "0.jpg", quality=95)
    assert is_eight_bit(tmp_path / "0.jpg")
    assert read_values(tmp_path / "0.jpg").dtype == np.uint8


IDS = (DEEP % 7).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(IDS), IDS),
        (Image.fromarray(DEEP), DEEP),
        (Image.fromarray(np.stack([IDS] * 3, axis=-1)), IDS),
        (Image.fromarray(IDS > 3), IDS > 3),
    ],
    ids=["8-bit", "16-bit", "equal channels", "bilevel"],
)
def test_label_images_hold_ids(tmp_path: Path, image: Image.Image, expected: np.ndarray) -> None:
    image.save(tmp_path / "0.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "0.png"), expected)


def test_a_palette_gives_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(IDS).convert("P")
    image.putdata(IDS.ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0] + [9] * 762)
    image.save(tmp_path / "0.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "0.png"), IDS)


def test_colours_are_no_ids(tmp_path: Path) -> None:
    Image.fromarray((COLOUR // 256).astype(np.uint8)).save(tmp_path / "0.png")
    with pytest.raises(InputError, match=r"0\..*holds no ids; save one grey value per region"):
        read_ids(tmp_path / "0.png")
