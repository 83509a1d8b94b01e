"""One rule for control characters: in names they are refused, on the terminal they are shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.progress import complain, progress, say, warn
from fewshot.text import check_plain, is_plain, printable

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("liver 1.png", "liver 1.png"),
        ("σ Größe 肝", "σ Größe 肝"),
        # A terminal's title, a colour, the eight-bit form of the same.
        ("\x1b]0;pwned\x07", r"\x1b]0;pwned\x07"),
        ("\x9b31m", r"\x9b31m"),
        # What makes two lines of one.
        ("a\nb\r\x85\u2028", r"a\nb\r\x85\u2028"),
        # What makes a line read as another one.
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        # A byte of a file name that is not UTF-8.
        ("a\udcff", r"a\udcff"),
    ],
)
def test_control_characters_are_shown(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert is_plain(text) == (text == expected)


@given(ANY)
def test_whatever_is_printed_is_one_line_that_no_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown
    shown.encode("utf-8")


def test_names_are_refused_with_what_they_hold() -> None:
    check_plain("1.png", "image 0: file_name")
    with pytest.raises(InputError, match=r"file_name 'a\\\\x1b.png' holds control") as caught:
        check_plain("a\x1b.png", "image 0: file_name")
    assert is_plain(str(caught.value))


def test_nothing_that_is_said_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;pwned\x07\nb[/bold]"
    say(evil)
    warn(evil)
    complain(evil)
    with progress(evil, 1) as advance:
        advance(1, evil)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert len(err.splitlines()) == 4
