"""Decoding compressed DICOM frames in a separate process.

The decoders are native code that a broken file can crash: then only this process ends. It is run by
its path and does not need fewshot. A request is a line of JSON, `[path, frame, plugin]`; an answer
is one letter, eight bytes of length and the content: an array (A) or a message (E).
"""

import io
import json
import os
import resource
import sys
import warnings

import numpy as np
from pydicom.pixels.utils import pixel_array

_MEMORY = 4 << 30  # bytes of address space, most of it never used


def main() -> None:
    """Answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    # The decoders print; that must not get into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        path, frame, plugin = json.loads(line)
        try:
            content = io.BytesIO()
            np.save(content, pixel_array(path, index=frame, decoding_plugin=plugin))
            kind, answer = b"A", content.getvalue()
        except Exception as error:
            kind, answer = b"E", (str(error) or type(error).__name__).encode()
        answers.write(kind + len(answer).to_bytes(8, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
