"""Keeping messages of C libraries off the terminal."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Pillow logs what it cannot decode; without a log handler, Python prints it.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_ERRORS = 2  # the descriptor of standard error
_one_at_a_time = threading.RLock()


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Silence decoders: libtiff, which writes to standard error, and Pillow.

    Errors in a file are still raised.
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
