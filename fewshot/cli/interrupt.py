"""Stopping within two seconds, after Ctrl-C or SIGTERM.

Every file is complete at every moment, so that any moment is a good one to stop at. The work is
asked to end first, so that it can remove its temporary files and its lock; if it does not, because
it is in a long computation, the process ends anyway.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from fewshot.progress import say

_PATIENCE = 1.5  # seconds for the work to end by itself
_RESUMABLE = {"run", "demo"}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal asked the process to end; not an error, and only caught by the command line."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def stoppable(arguments: Sequence[str]) -> Iterator[None]:
    """Make SIGINT and SIGTERM raise `Stopped`, and end the process if that is not enough.

    `arguments` are those of the command, for the line that says how to continue.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _SIGNALS}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    finished = threading.Event()
    # A thread, because Python runs signal handlers only between its own instructions.
    watch = threading.Thread(target=_watch, args=(reader, finished, arguments), daemon=True)
    watch.start()
    try:
        yield
    finally:
        finished.set()
        signal.set_wakeup_fd(old_writer)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        watch.join(_PATIENCE)


def how_to_go_on(arguments: Sequence[str]) -> str:
    """Return the line that an interrupted command ends with.

    >>> how_to_go_on(["run", "--config", "mine.yaml", "--out", "runs/mine"])
    'stopped; go on with: fewshot run --config mine.yaml --out runs/mine --resume'
    """
    command = arguments[0] if arguments else ""
    if command in _RESUMABLE:
        kept = [one for one in arguments if one not in ("--overwrite", "--resume")]
        return f"stopped; go on with: fewshot {shlex.join([*kept, '--resume'])}"
    return "stopped; no file is half-written, give the same command again to go on"


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


_forking = threading.local()


def _hold_signals() -> None:
    """Block signals until a forked process has reset its parent's handlers."""
    _forking.before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.before)


def _forget() -> None:
    """Give a forked process, such as a data loader's worker, the default signal handlers."""
    if signal.getsignal(signal.SIGTERM) is _raise:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release_signals()


os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_forget)


def _watch(reader: int, finished: threading.Event, arguments: Sequence[str]) -> None:
    """Wait for a signal, then for the work to end; end the process if it does not."""
    with os.fdopen(reader, "rb", buffering=0) as signals:
        number = next(
            (one for one in iter(lambda: signals.read(1), b"") if one[0] in _SIGNALS), b""
        )
        if not number or finished.wait(_PATIENCE):
            return
    say(how_to_go_on(arguments))
    sys.stderr.flush()
    os._exit(128 + number[0])
