"""Opening an image file with Pillow, safely: limits, depth, orientation, alpha."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.errors import InputError
from fewshot.files import check_regular
from fewshot.slices.found import what_file
from fewshot.slices.limits import check_slice
from fewshot.slices.quiet import quiet_decoder
from fewshot.slices.remarks import remark

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_EIGHT_BIT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_ORIENTATION, _SAMPLE_FORMAT = 0x0112, 339  # EXIF and TIFF tags
_SIGNED = 2
_DEEP_BYTES = {"I": 4, "F": 4}
_KINDS = ("a PNG", "a JPEG", "a TIFF")  # what is broken where one of these cannot be read
_pillow_limit = threading.RLock()


@contextmanager
def _without_pillow_limit() -> Iterator[None]:
    """Lift Pillow's limit of pixels; `check_pixels` applies the user's."""
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def open_image(path: Path) -> Image.Image:
    """Return an image with only the header read; `InputError` naming the file."""
    check_regular(path)
    try:
        with _without_pillow_limit():
            image = Image.open(path, formats=_FORMATS)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image") from error
    except Exception as error:
        raise unreadable(path, error) from error
    if image.format == "TIFF":
        # Without a name Pillow does not map the file, which mixes up the sides of turned images.
        image.filename = ""
    try:
        pixel_bytes = len(image.getbands()) * _DEEP_BYTES.get(image.mode[0], 1)
        check_slice(image.height, image.width, pixel_bytes, path.stat().st_size, str(path))
    except InputError:
        image.close()
        raise
    return image


def load(path: Path, image: Image.Image) -> int:
    """Decode the pixels and return the EXIF orientation (1 to 8) that is still to be applied."""
    limit = Image.MAX_IMAGE_PIXELS
    small = limit is None or image.height * image.width <= limit
    try:
        quiet = quiet_decoder() if image.format == "TIFF" else nullcontext()
        with quiet, nullcontext() if small else _without_pillow_limit():
            image.load()
    except Exception as error:
        raise unreadable(path, error) from error
    # Pillow turns TIFFs itself and removes the tag.
    orientation = orientation_of(image)
    if orientation != 1:
        remark("turned as the EXIF orientation says", str(path))
    return orientation


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, known so far."""
    try:
        # Not PngImageFile's method, which decodes the pixels to look after them.
        found = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:
        return 1  # as viewers do with broken EXIF
    return found if type(found) is int and 1 <= found <= 8 else 1


def has_late_exif(path: Path) -> bool:
    """Return whether a PNG has an EXIF chunk, possibly after the pixels."""
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if kind == b"eXIf":
                return True
            file.seek(length + 4, 1)
    return False


def plain(image: Image.Image) -> Image.Image:
    """Return an image in a mode that converts to grey and colour without loss or warnings."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA")
    if image.mode == "La":
        return image.convert("LA")
    return image.convert("RGB") if image.mode in ("CMYK", "YCbCr") else image


def alpha_of(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return the alpha of an 8-bit image, (height, width); None if it is uniform."""
    if image.mode not in ("LA", "La", "PA", "RGBA") and "transparency" not in image.info:
        return None
    alpha = np.array(plain(image).convert("RGBA").getchannel("A"))
    return None if alpha.min() == alpha.max() else alpha


def raw_modes(image: Image.Image) -> list[str]:
    """Return Pillow's names of the stored pixel formats, known before decoding."""
    return [
        str(tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0])
        for tile in getattr(image, "tile", ())
    ]


def depth_of(path: Path, image: Image.Image) -> int:
    """Return 8, or 16 for anything deeper, or signed; `InputError` for several frames."""
    try:
        # Not n_frames, which reads all of them.
        several = getattr(image, "is_animated", False)
        stored = raw_modes(image)
        tags = getattr(image, "tag_v2", {})
        signed = image.mode == "L" and tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
    except Exception as error:
        raise unreadable(path, error) from error
    if several:
        raise InputError(f"{path}: holds several frames; save each slice as its own 8-bit PNG")
    # Pillow opens 16-bit colour as 8-bit, without the low bytes; only the raw mode shows that. BMPs
    # have 16 bits for all three colours.
    deeper = any("16" in mode and not mode.startswith("BGR") for mode in stored)
    return 16 if signed or deeper or image.mode not in _EIGHT_BIT_MODES else 8


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for a failure of Pillow, or for what the file is instead."""
    # Pillow's decoders raise whatever they trip over (OSError, SyntaxError, struct.error, ...).
    reason = " ".join(str(error).split()) or type(error).__name__
    kind = what_file(path)
    if kind and kind not in _KINDS:
        formats = "" if kind.startswith("a Git") else "; give PNG, JPEG, TIFF or BMP"
        return InputError(f"{path}: cannot be read as an image: it is {kind}{formats}")
    return InputError(f"{path}: cannot be read as an image ({reason}); save it again as 8-bit PNG")
