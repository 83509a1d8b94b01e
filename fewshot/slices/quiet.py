"""Keeping the remarks of libraries written in C off the terminal."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Pillow logs what it cannot decode; where nobody listens to logs, Python prints them.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_ERRORS = 2  # the descriptor of standard error
_one_at_a_time = threading.RLock()


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Let a decoder say nothing: neither libtiff, which writes to standard error, nor Pillow.

    What is wrong with a file is told by the error that is raised about it.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sys.stderr.flush()
            kept = os.dup(_ERRORS)
        except (OSError, ValueError, AttributeError):  # there is no standard error
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _ERRORS)
            os.close(nowhere)
            yield
        finally:
            with suppress(OSError):
                os.dup2(kept, _ERRORS)
            os.close(kept)
