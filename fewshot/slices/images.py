"""Grey slices as image files: listing a folder in slice order, reading, writing."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.errors import InputError
from fewshot.files import atomic_path
from fewshot.slices.limits import check_slice

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
# Pillow refuses above a fixed number of pixels; the limit is fewshot.slices.limits instead.
Image.MAX_IMAGE_PIXELS = None
_DEEP_BYTES = {"I": 4, "F": 4}
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R 601


def image_stem(name: str) -> str:
    """Return a file name without its image suffix: `3` for `3.png` and for `3`."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in IMAGE_SUFFIXES else name


def in_slice_order(names: Iterable[str]) -> list[str]:
    """Return names by stem, runs of digits by value: `9.png` before `10.png`, `a2` before `a10`."""
    return sorted(names, key=_slice_key)


def name_a_few(names: Collection[str], limit: int = 3) -> str:
    """Return the first names, quoted, and how many more there are, for a one-line message."""
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def list_images(folder: Path) -> list[Path]:
    """Return the image files of `folder` in slice order; other and hidden files are passed over.

    Raises `InputError` when the folder is missing or holds no image, or when two files share a
    stem (`3.png` and `3.jpg`), for stems name the slices everywhere else.
    """
    try:
        found = {
            path.name: path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        }
    except OSError as error:
        raise InputError(f"{folder}: not a readable folder of images ({error.strerror})") from error
    if not found:
        raise InputError(
            f"{folder}: no image in this folder; accepted: {', '.join(IMAGE_SUFFIXES)}"
        )
    by_stem: dict[str, str] = {}
    ordered = in_slice_order(found)
    for name in ordered:
        other = by_stem.setdefault(image_stem(name), name)
        if other != name:
            raise InputError(f"{folder}: '{other}' and '{name}' are the same slice; remove one")
    return [found[name] for name in ordered]


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return a slice as grey values 0 to 255, shape (height, width), dtype uint8.

    Colour becomes its luminance (ITU-R 601), which leaves equal channels as they are;
    transparency is dropped.
    Raises `InputError` when the file is missing, broken, no image, deeper than 8 bits, or holds
    several frames.
    """
    with _open(path) as image:
        if _depth(path, image) != 8:
            raise InputError(
                f"{path}: not an 8-bit image (Pillow mode {image.mode}); apply an intensity"
                " window: fewshot convert --window makes 8-bit grey PNGs"
            )
        return _grey(path, image)


def read_channels(path: Path) -> NDArray[np.uint8]:
    """Return the red, green and blue of a colour slice, shape (height, width, 3), dtype uint8.

    Raises `InputError` as `read_image` does, and for a grey image, which has no such channels.
    """
    with _open(path) as image:
        if _depth(path, image) != 8 or image.mode not in ("RGB", "RGBA", "P"):
            raise InputError(
                f"{path}: is no 8-bit colour image (Pillow mode {image.mode}); fewshot convert with"
                " three --window makes them, or leave out preprocess.input: colour"
            )
    return read_colour(path)


def read_colour(path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit image as red, green, blue, uint8 (height, width, 3); transparency is dropped.

    Raises `InputError` as `read_image` does.
    """
    with _open(path) as image:
        if _depth(path, image) != 8:
            raise InputError(f"{path}: not an 8-bit image (Pillow mode {image.mode})")
        try:
            plain = image.convert("RGBA") if image.mode == "P" else image
            return np.array(plain.convert("RGB"), dtype=np.uint8)
        except Exception as error:
            raise _unreadable(path, error) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image from its header alone; `InputError` as `read_image`."""
    with _open(path) as image:
        return image.height, image.width


def is_eight_bit(path: Path) -> bool:
    """Return whether an image is read by `read_image`, from its header alone."""
    with _open(path) as image:
        return _depth(path, image) == 8


def read_values(path: Path) -> NDArray[Any]:
    """Return a slice as the grey values of the file, shape (height, width), whatever their depth.

    8-bit images give uint8 as `read_image` does; deeper ones their uint16, int32 or float32
    values, colour its luminance as float32. Raises `InputError` as `read_image` does.
    """
    with _open(path) as image:
        if _depth(path, image) == 8:
            return _grey(path, image)
        try:
            if image.mode.startswith(("I", "F")):
                return np.array(image)
        except Exception as error:
            raise _unreadable(path, error) from error
    return _deep_colour(path)


def read_ids(path: Path) -> NDArray[Any]:
    """Return a label image as integer ids, shape (height, width); a palette gives its indices.

    Raises `InputError` as `read_image` does, and for colours or fractions, which are no ids.
    """
    with _open(path) as image:
        _depth(path, image)
        try:
            if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
                channels = np.array(image.convert("RGB"))
                if image.mode == "F" or (channels != channels[..., :1]).any():
                    raise InputError(
                        f"{path}: a label image of mode {image.mode} holds no ids;"
                        " save one grey value per region"
                    )
                return channels[..., 0]
            return np.array(image).astype(np.uint8 if image.mode in "1LP" else np.int64)
        except InputError:
            raise
        except Exception as error:
            raise _unreadable(path, error) from error


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a slice, uint8 of shape (height, width) or (height, width, 3), as PNG, atomically.

    Raises `InputError` for another shape or dtype, or when `path` does not end in .png.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: images are written as PNG; name the file .png")
    right_shape = image.ndim == 2 or image.shape[2:] == (3,)
    if not right_shape or image.size == 0 or image.dtype != np.uint8:
        raise InputError(
            f"{path}: cannot write {image.dtype} values of shape {image.shape};"
            " give uint8 values of shape (height, width), or (height, width, 3)"
        )
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _slice_key(name: str) -> tuple[list[tuple[int, str]], str]:
    # Splitting on a group alternates text and digits, so positions always compare like with like;
    # (length, digits) orders numbers of any size without turning them into integers.
    parts = re.split(r"([0-9]+)", image_stem(name))
    key = [
        (len(part.lstrip("0")), part.lstrip("0")) if position % 2 else (0, part)
        for position, part in enumerate(parts)
    ]
    return key, name


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path, formats=_FORMATS)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image") from error
    except Exception as error:
        raise _unreadable(path, error) from error
    try:
        pixel_bytes = len(image.getbands()) * _DEEP_BYTES.get(image.mode[0], 1)
        check_slice(image.height, image.width, pixel_bytes, path.stat().st_size, str(path))
    except InputError:
        image.close()
        raise
    return image


def _grey(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    try:
        # A palette may carry transparency, which only RGBA takes without a warning.
        grey = image.convert("RGBA").convert("L") if image.mode == "P" else image.convert("L")
        return np.array(grey, dtype=np.uint8)
    except Exception as error:
        raise _unreadable(path, error) from error


def _deep_colour(path: Path) -> NDArray[np.float32]:
    """Return the luminance of a 16-bit colour image, which Pillow would cut to 8 bits."""
    import cv2

    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, OSError) as error:
        raise _unreadable(path, error) from error
    if image is None or image.ndim != 3 or image.shape[2] < 3:
        raise _unreadable(path, ValueError("its pixels cannot be decoded"))
    weights = np.array(_LUMINANCE, dtype=np.float32)
    luminance: NDArray[np.float32] = image[..., 2::-1].astype(np.float32) @ weights
    return luminance


def _depth(path: Path, image: Image.Image) -> int:
    """Return 8, or 16 for anything deeper; `InputError` for several frames."""
    try:
        # Not n_frames, which goes through them all.
        several = getattr(image, "is_animated", False)
        raw_modes = [
            str(tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0])
            for tile in getattr(image, "tile", ())
        ]
    except Exception as error:
        raise _unreadable(path, error) from error
    if several:
        raise InputError(f"{path}: holds several frames; save each slice as its own 8-bit PNG")
    # Pillow opens 16-bit colour as 8-bit and drops the low bytes; only the raw mode tells.
    deeper = image.mode not in _EIGHT_BIT_MODES or any("16" in mode for mode in raw_modes)
    return 16 if deeper else 8


def _unreadable(path: Path, error: Exception) -> InputError:
    # Pillow's decoders raise whatever they trip over (OSError, SyntaxError, struct.error, ...).
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: cannot be read as an image ({reason}); save it again as 8-bit PNG")
