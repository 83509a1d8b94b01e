"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fewshot.text import printable

Advance = Callable[[int, str], None]

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_PLAIN_PERIOD = 15.0  # seconds between plain lines


def no_progress(done: int, note: str) -> None:
    """Report nothing."""


def say(text: str) -> None:
    """Print one line, with control characters escaped."""
    console.print(printable(text), markup=False)


def warn(text: str) -> None:
    """Print a warning on one line."""
    console.print(f"warning: {printable(text)}", style="bold yellow", markup=False)


def complain(text: str) -> None:
    """Print one line that says why a command failed."""
    console.print(f"error: {printable(text)}", style="bold red", markup=False)


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Yield a function to call with the number of items done and a short note."""
    if console.is_terminal:
        with _bar() as bar:
            task = bar.add_task(escape(printable(title)), total=total, note="")
            yield lambda done, note: bar.update(task, completed=done, note=escape(printable(note)))
    else:
        yield _PlainLines(title, total)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


class _PlainLines:
    """Prints a line now and then, and one at the end."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._started = self._last = time.monotonic()
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int, note: str) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        if done < self._total and now - self._last < _PLAIN_PERIOD:
            return
        self._last = now
        elapsed = now - self._started
        line = f"{self._title}: {done}/{self._total}, {elapsed:.0f} s"
        first, first_at = self._first
        if first < done < self._total:
            rate = (done - first) / (now - first_at)
            line += f", about {(self._total - done) / rate:.0f} s left"
        say(f"{line}, {note}" if note else line)
