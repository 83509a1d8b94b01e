"""The client of the process that decodes compressed DICOM frames."""

import atexit
import io
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_DECODER = Path(__file__).with_name("dicom_decoder.py")
_running: list[subprocess.Popen[bytes]] = []


def decode_apart(path: Path, frame: int, plugin: str = "") -> NDArray[Any]:
    """Return the pixels of a compressed frame, decoded in another process.

    Raises `ValueError` if they cannot be decoded, also after a crash of the decoder.
    """
    if not _running:
        _running.append(_start())
    process = _running[0]
    if process.stdin is None or process.stdout is None:
        raise ValueError("the decoder has no pipes")
    try:
        process.stdin.write(json.dumps([str(path.absolute()), frame, plugin]).encode() + b"\n")
        process.stdin.flush()
        head = _exactly(process.stdout, 9)
        answer = _exactly(process.stdout, int.from_bytes(head[1:], "big"))
    except (EOFError, BrokenPipeError) as error:
        stop()
        raise ValueError("its compressed pixels crash the decoder") from error
    if head[:1] == b"E":
        raise ValueError(answer.decode(errors="replace"))
    pixels: NDArray[Any] = np.load(io.BytesIO(answer), allow_pickle=False)
    return pixels


@atexit.register
def stop() -> None:
    """End the process, if any; the next frame starts another."""
    while _running:
        process = _running.pop()
        process.kill()
        # Closing the pipe fails if something was still to be written.
        with suppress(BrokenPipeError), process:
            pass


def _start() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", str(_DECODER)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content
