"""Decodes compressed DICOM frames in a process of its own.

The decoders are native code, and a broken file can crash them: then this process ends, and the
one that asked goes on. It is run by its path and needs nothing of fewshot. A request is a line of
JSON, `[path, frame, plugin]`; an answer one letter, eight bytes of length and the content: an
array (A) or a message (E).
"""

import io
import json
import os
import resource
import sys
import warnings

import numpy as np
from pydicom.pixels.utils import pixel_array

_MEMORY = 4 << 30  # bytes of addresses, most of which are never used


def main() -> None:
    """Answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    # The decoders print; what they say must not get among the answers.
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
