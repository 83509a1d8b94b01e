"""How large a slice may be: a small file must not fill the memory."""

import os

from fewshot.errors import InputError

MAX_PIXELS_VARIABLE = "FEWSHOT_MAX_PIXELS"
_DEFAULT_MAX_PIXELS = 1 << 26  # 8192 x 8192


def max_pixels() -> int:
    """Return the most pixels one slice may have: the variable FEWSHOT_MAX_PIXELS, or 2**26.

    Raises `InputError` when the variable is no positive integer.
    """
    text = os.environ.get(MAX_PIXELS_VARIABLE, str(_DEFAULT_MAX_PIXELS))
    if not text.isdecimal() or not text.isascii() or len(text) > 18 or int(text) == 0:
        raise InputError(f"{MAX_PIXELS_VARIABLE}: is {text[:40]!r}; give a number of pixels")
    return int(text)


def check_pixels(height: int, width: int, where: str) -> None:
    """Raise `InputError` naming `where` when a slice is empty or larger than `max_pixels`."""
    if min(height, width) < 1:
        raise InputError(f"{where}: is {height} x {width} pixels; give slices with pixels")
    if height * width > max_pixels():
        raise InputError(
            f"{where}: {height} x {width} pixels are more than the limit of {max_pixels()}; "
            f"if the size is right, set {MAX_PIXELS_VARIABLE} higher"
        )
