"""Decompression bombs: the limit, and how a user raises it."""

import zlib
from pathlib import Path

import pytest

from fewshot.errors import InputError
from fewshot.slices.images import read_image, read_values
from fewshot.slices.limits import MAX_PIXELS_VARIABLE, check_pixels, max_pixels


def write_bomb(path: Path, side: int) -> None:
    """Write a black PNG of side x side pixels in a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return len(content).to_bytes(4, "big") + kind + content + crc.to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(bytes(min(side, 10**5) + 1) * min(side, 200), 9)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9000, 60_000, 2**31 - 1])
@pytest.mark.parametrize("read", [read_image, read_values])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, side: int, read: object) -> None:
    write_bomb(tmp_path / "0.png", side)
    with pytest.raises(InputError, match=r"0\.png: .*FEWSHOT_MAX_PIXELS") as caught:
        read(tmp_path / "0.png")  # type: ignore[operator]
    assert f"{side} x {side}" in str(caught.value)


def test_the_limit_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bomb(tmp_path / "0.png", 100)
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "9999")
    with pytest.raises(InputError, match="100 x 100 pixels are more than the limit of 9999"):
        read_image(tmp_path / "0.png")
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "10000")
    assert read_image(tmp_path / "0.png").shape == (100, 100)


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1e9", "9" * 19])
def test_a_limit_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, text)
    with pytest.raises(InputError, match=r"FEWSHOT_MAX_PIXELS: is .*; give a number of pixels"):
        max_pixels()


def test_slices_have_pixels() -> None:
    with pytest.raises(InputError, match="a: is 0 x 5 pixels"):
        check_pixels(0, 5, "a")
