"""Characters allowed in names and messages, and how the others are shown.

Names come from other people's files, headers and settings. Terminals obey control characters, and
marks of writing direction make a line look like another one.
"""

import re

from fewshot.errors import InputError

NOTICE = "Not a medical device; not for clinical decisions."
"""Shown wherever results are."""

# Control characters (C0, DEL, C1), line and paragraph separators, marks that turn the direction of
# writing, and halves of characters, which also stand for bytes of a file name that are not UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def is_plain(text: str) -> bool:
    """Return whether a text may be written to files and terminals unchanged."""
    return _UNPRINTABLE.search(text) is None


def printable(text: str) -> str:
    r"""Return a text on one line, each control character as its escape, such as `\x1b`.

    >>> printable("slice\x1b[2J.png")
    'slice\\x1b[2J.png'
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "slice"), counted(3, "slice")
    ('1 slice', '3 slices')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def check_plain(text: str, what: str, remedy: str = "rename it") -> None:
    """Raise `InputError` when a name to be written contains control characters."""
    if not is_plain(text):
        raise InputError(f"{what} {printable(text)[:200]!r} holds control characters; {remedy}")
