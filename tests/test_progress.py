"""Progress: everything on standard error, a bar on a terminal, plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from fewshot import progress as progress_module
from fewshot.progress import no_progress, progress, say, warn


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the place of the system's, and standard error that is no terminal."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("done", "done\n"),
        # Brackets are text, not Rich's markup.
        ("[train rough] runs", "[train rough] runs\n"),
        ("a[/b]c", "a[/b]c\n"),
        # Colons are text, not emoji.
        ("1.png:x:2 at 0:100:3", "1.png:x:2 at 0:100:3\n"),
        # A long line stays one line, for whoever greps it.
        ("long " * 100, "long " * 100 + "\n"),
    ],
)
def test_lines_go_to_standard_error_as_they_are(
    text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(text)
    warn(text)
    assert capsys.readouterr() == ("", f"{expected}warning: {expected}")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # (seconds since the last, done): nothing until the end of short work.
        ([(1, 1), (1, 2), (1, 3), (1, 4)], ["train: 4/4, 4 s, loss"]),
        # Every 15 seconds a line; two of four took 10 seconds each, so 20 are left.
        (
            [(10, 1), (10, 2), (10, 3), (10, 4)],
            ["train: 2/4, 20 s, about 20 s left, loss", "train: 4/4, 40 s, loss"],
        ),
        # Very slow: the first line has no rate to tell from.
        (
            [(60, 1), (60, 2), (60, 4)],
            [
                "train: 1/4, 60 s, loss",
                "train: 2/4, 120 s, about 120 s left, loss",
                "train: 4/4, 180 s, loss",
            ],
        ),
        # Resumed at 2 of 4: what was done before is no part of the rate.
        (
            [(0, 2), (15, 3), (15, 4)],
            ["train: 3/4, 15 s, about 15 s left, loss", "train: 4/4, 30 s, loss"],
        ),
        # Nothing to do.
        ([], []),
    ],
)
def test_plain_lines(
    steps: list[tuple[float, int]],
    expected: list[str],
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("train", 4) as advance:
        for seconds, done in steps:
            clock.now += seconds
            advance(done, "loss")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == expected


@pytest.mark.usefixtures("clock")
def test_a_line_without_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("predict", 2) as advance:
        advance(2, "")
    assert capsys.readouterr().err == "predict: 2/2, 0 s\n"


@pytest.mark.usefixtures("clock")
def test_an_error_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), progress("predict", 2):
        raise ValueError("inside")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    monkeypatch.setattr(progress_module, "console", terminal)
    with progress("soft labels by rough", 3) as advance:
        advance(1, "first")
        advance(3, "last")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    final = text.splitlines()[-1]
    assert "soft labels by rough" in final
    assert "3/3" in final
    assert "last" in final
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("clock")
def test_no_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    no_progress(1, "note")
    assert capsys.readouterr() == ("", "")
