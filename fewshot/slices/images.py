"""Grey slices as image files: listing a folder in slice order, reading, writing."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.errors import InputError
from fewshot.files import atomic_path
from fewshot.slices.display import luminance, negative, turned
from fewshot.slices.found import is_hidden
from fewshot.slices.image_file import (
    alpha_of,
    depth_of,
    has_late_exif,
    load,
    open_image,
    orientation_of,
    plain,
    raw_modes,
    unreadable,
)
from fewshot.slices.remarks import remark

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # TIFF
# Pillow spreads grey of 2 and 4 bits over 0 to 255, by these factors.
_SPREAD = {"L;2": 85, "L;4": 17}


def image_stem(name: str) -> str:
    """Return a file name without its image suffix: `3` for `3.png` and for `3`.

    Accents are composed (Unicode NFC), because some systems decompose them.
    """
    name = name if name.isascii() else unicodedata.normalize("NFC", name)
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in IMAGE_SUFFIXES else name


def in_slice_order(names: Iterable[str]) -> list[str]:
    """Return names by stem, runs of digits by value: `9.png` before `10.png`, `a2` before `a10`."""
    return sorted(names, key=_slice_key)


def name_a_few(names: Collection[str], limit: int = 3) -> str:
    """Return the first names, quoted, and the number of further ones, for a one-line message."""
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def list_images(folder: Path) -> list[Path]:
    """Return the image files of `folder` in slice order, without other and hidden files.

    Raises `InputError` when the folder is missing or contains no image, or when two files share a
    stem (`3.png` and `3.jpg`), because stems name the slices everywhere else.
    """
    try:
        found = {
            path.name: path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path) and path.is_file()
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
    """Return a slice as displayed, grey values 0 to 255, shape (height, width), dtype uint8.

    The EXIF orientation is applied, colour becomes luminance (ITU-R 601), transparency is dropped.
    Raises `InputError` when the file is missing, broken, no image, deeper than 8 bits, has several
    frames, or only varies in transparency.
    """
    with open_image(path) as image:
        if depth_of(path, image) != 8:
            raise InputError(
                f"{path}: not an 8-bit image (Pillow mode {image.mode}); apply an intensity"
                " window: fewshot convert --window makes 8-bit grey PNGs"
            )
        return _grey(path, image)


def read_channels(path: Path) -> NDArray[np.uint8]:
    """Return the red, green and blue of a colour slice, shape (height, width, 3), dtype uint8.

    Raises `InputError` like `read_image`, and for grey images.
    """
    with open_image(path) as image:
        if depth_of(path, image) != 8 or image.mode in ("1", "L", "LA", "La"):
            raise InputError(
                f"{path}: is no 8-bit colour image (Pillow mode {image.mode}); fewshot convert with"
                " three --window makes them, or leave out preprocess.input: colour"
            )
    return read_colour(path)


def read_colour(path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit image as red, green, blue, uint8 (height, width, 3); transparency is dropped.

    Raises `InputError` as `read_image` does.
    """
    with open_image(path) as image:
        if depth_of(path, image) != 8:
            raise InputError(f"{path}: not an 8-bit image (Pillow mode {image.mode})")
        orientation = load(path, image)
        try:
            return _upright(np.array(plain(image).convert("RGB"), dtype=np.uint8), orientation)
        except Exception as error:
            raise unreadable(path, error) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return the displayed (height, width) of an image, from its header.

    Raises `InputError` as `read_image` does.
    """
    with open_image(path) as image:
        try:
            if image.format == "TIFF":
                height, width = int(image.tag_v2[257]), int(image.tag_v2[256])  # type: ignore[attr-defined]
            else:
                height, width = image.height, image.width
                if image.format == "PNG" and "exif" not in image.info and has_late_exif(path):
                    image.load()
            turns = orientation_of(image) in (5, 6, 7, 8)
        except Exception as error:
            raise unreadable(path, error) from error
        return (width, height) if turns else (height, width)


def is_eight_bit(path: Path) -> bool:
    """Return whether `read_image` can read an image, from its header."""
    with open_image(path) as image:
        return depth_of(path, image) == 8


def read_values(path: Path) -> NDArray[Any]:
    """Return the grey values of a file, shape (height, width), at any depth.

    8-bit images give uint8 like `read_image`; deeper ones uint16, int32 or float32, colour float32
    luminance. If zero is white (TIFF), `fewshot.slices.display.negative` is applied. Raises
    `InputError` like `read_image`.
    """
    with open_image(path) as image:
        if depth_of(path, image) == 8:
            return _grey(path, image)
        if image.mode == "L" or image.mode.startswith(("I", "F")):
            return _deep_grey(path, image)
        if image.mode not in ("RGB", "RGBA"):
            raise InputError(
                f"{path}: colours of mode {image.mode} and 16 bits are not read; save it as RGB"
            )
        # Of the tags, cv2 only applies those of TIFF.
        orientation = 1 if image.format == "TIFF" else load(path, image)
    return _upright(_deep_colour(path), orientation)


def read_ids(path: Path) -> NDArray[Any]:
    """Return the values of a label image, shape (height, width), in displayed orientation.

    Integers, or float32 from a float TIFF; palettes give indices, 2 or 4 bit grey the stored
    values. Raises `InputError` like `read_image`, for colours, for JPEG, which does not preserve
    ids, and if transparency hides ids or is all there is.
    """
    with open_image(path) as image:
        if image.format == "JPEG":
            raise InputError(
                f"{path}: is a JPEG, which blurs the edges of labels; save label images as PNG, or"
                " fewshot convert --label-threshold where they show one structure on black"
            )
        deep = depth_of(path, image) != 8
        spread = next((_SPREAD[mode[:3]] for mode in raw_modes(image) if mode[:3] in _SPREAD), 1)
        if deep and (image.mode == "L" or image.mode.startswith(("I", "F"))):
            return _deep_grey(path, image)
        orientation = load(path, image)
        try:
            if image.mode in ("1", "L", "P"):
                return _upright(np.array(image).astype(np.uint8) // np.uint8(spread), orientation)
            channels = np.array(plain(image).convert("RGB"))
            alpha = alpha_of(image)
        except Exception as error:
            raise unreadable(path, error) from error
        if deep or (channels != channels[..., :1]).any():
            raise InputError(
                f"{path}: a label image of mode {image.mode} holds no ids; save one grey value per"
                " region, or fewshot convert --label-threshold where it shows one structure"
            )
        _check_ids_are_seen(path, channels[..., 0], alpha)
        return _upright(channels[..., 0], orientation)


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


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    return np.ascontiguousarray(turned(pixels, orientation))


def _grey(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    orientation = load(path, image)
    try:
        grey = np.array(plain(image).convert("L"), dtype=np.uint8)
        alpha = alpha_of(image)
    except Exception as error:
        raise unreadable(path, error) from error
    if alpha is not None:
        _check_picture_is_seen(path, grey)
    return _upright(grey, orientation)


def _deep_grey(path: Path, image: Image.Image) -> NDArray[Any]:
    tags = getattr(image, "tag_v2", {})
    orientation = load(path, image)
    try:
        values = np.array(image)
        if image.mode == "L":  # signed bytes, which Pillow reads as unsigned
            values = values.view(np.int8)
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            values = negative(values)
    except Exception as error:
        raise unreadable(path, error) from error
    return _upright(values, orientation)


def _deep_colour(path: Path) -> NDArray[Any]:
    """Return the luminance of a 16-bit colour image, which Pillow would cut to 8 bits."""
    import cv2

    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, OSError) as error:
        raise unreadable(path, error) from error
    if image is None or image.ndim != 3 or image.shape[2] < 3:
        raise unreadable(path, ValueError("its pixels cannot be decoded"))
    grey = luminance(image[..., 2::-1])
    if image.shape[2] == 4 and image[..., 3].min() != image[..., 3].max():
        _check_picture_is_seen(path, grey)
    return grey


def _check_picture_is_seen(path: Path, grey: NDArray[Any]) -> None:
    """Refuse a picture that only varies in transparency; otherwise note that it is dropped."""
    if grey.min() == grey.max():
        raise InputError(
            f"{path}: all pixels are {grey.flat[0]:g}, the picture is in the alpha channel alone;"
            " save it as grey values"
        )
    remark("transparency is dropped", str(path))


def _check_ids_are_seen(path: Path, ids: NDArray[Any], alpha: NDArray[np.uint8] | None) -> None:
    if alpha is None:
        return
    if ids.min() == ids.max():
        raise InputError(
            f"{path}: all pixels are {ids.flat[0]}, the labels are in the alpha channel alone;"
            " save them as grey values"
        )
    hidden = int(np.count_nonzero(ids[alpha == 0]))
    if hidden:
        raise InputError(
            f"{path}: {hidden} labelled pixels are transparent; save the labels without alpha"
        )
