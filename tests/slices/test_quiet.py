"""What libraries in C have to say does not reach the terminal; what we say does."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.slices.images import read_channels, read_colour, read_ids, read_image, read_values
from fewshot.slices.quiet import quiet_decoder


def broken_tiff(path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(values).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[200:240] = bytes(40)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("read", [read_image, read_colour, read_ids, read_values, read_channels])
def test_libtiff_is_not_heard(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], read: object
) -> None:
    broken_tiff(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image, pytest.raises(OSError, match="decod"):
        image.load()
    assert "ZIPDecode" in capfd.readouterr().err
    with pytest.raises(InputError, match=r"a\.tif: cannot be read"):
        read(tmp_path / "a.tif")  # type: ignore[operator]
    assert capfd.readouterr().err == ""


def test_what_comes_after_is_heard(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_decoder(), quiet_decoder():
        os.write(2, b"not this")
    sys.stderr.write("but this\n")
    sys.stderr.flush()
    os.write(2, b"and this")
    assert capfd.readouterr().err == "but this\nand this"
