"""Feed damaged files to every reader: each must answer, or refuse in one line.

    .venv/bin/python scripts/fuzz.py --rounds 2000              # all readers
    .venv/bin/python scripts/fuzz.py --reader coco --rounds 50000 --seed 7

A file on which a reader does anything else (another exception, a message of several lines, a crash,
a minute of work or gigabytes of memory) is kept in tests/fuzz/corpus/READER/, where the tests read
it from then on.
"""

import argparse
import hashlib
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fuzz_readers import READERS, Reader

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "fuzz" / "corpus"
_MEMORY = 6 << 30  # bytes of address space beyond which a reader has been talked into something
_SECONDS = 60
_BATCH = 50
# What breaks parsers more often than chance would.
_TOKENS = (
    *(b"0", b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'""', b"[", b"{", b"&a *a"),
    *(b"9" * 30, b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xef\xbb\xbf", b"\r\n"),
    *(b"1.5", b"2147483648", b"18446744073709551616", b"../../x", b"\xed\xa0\x80", b"!!python/x "),
)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with a few of them changed, cut, doubled or replaced."""
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at, until = sorted(rng.integers(0, len(content) + 1, 2).tolist())
        until = min(until, at + int(rng.integers(1, 64)))
        kind = int(rng.integers(0, 6))
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            content[at:until] = b""
        elif kind == 2:
            content[at:at] = content[at:until]
        elif kind == 3:
            token = _TOKENS[int(rng.integers(0, len(_TOKENS)))]
            content[at : at + int(rng.integers(0, len(token) + 1))] = token
        elif kind == 4:
            content[at:until] = rng.bytes(until - at)
        else:
            del content[at if at > len(content) // 2 else len(content) - at // 8 :]
    return bytes(content)


def wrong(reader: Reader, path: Path) -> str | None:
    """Return what a reader did wrong with a file, None when it answered or refused in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except reader.refuses as error:
        text = str(error).replace(str(path), "FILE")
        if reader.one_line and len(text.splitlines()) != 1:
            return f"{len(text.splitlines())} lines: {text!r}"
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def damaged(reader: Reader, folder: Path, seed: int, number: int) -> Path:
    """Write the damaged file of this number, and return its path."""
    rng = np.random.default_rng([seed, number])
    seeds: Sequence[Path] = reader.seeds(folder / "seeds")
    whole = seeds[int(rng.integers(0, len(seeds)))]
    path = folder / f"x{reader.suffix or whole.suffix}"
    path.write_bytes(mutate(whole.read_bytes(), rng))
    return path


def _in_child(work: Callable[[], None]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"  {type(error).__name__}: {error}", flush=True)
    os._exit(1)


def fuzz(name: str, rounds: int, seed: int, folder: Path) -> int:
    """Damage files for a reader; return how many it did not bear, after keeping them."""
    reader, kept = READERS[name], 0
    start = 0
    reader.seeds(folder / "seeds")
    while start < rounds:
        done = folder / "done"
        done.write_text(str(start))

        def batch(first: int = start, done: Path = done) -> None:
            for number in range(first, min(first + _BATCH, rounds)):
                done.write_text(str(number))
                signal.alarm(_SECONDS)
                problem = wrong(reader, damaged(reader, folder, seed, number))
                if problem is not None:
                    print(f"  {problem[:200]}", flush=True)
                    os._exit(3)
            os._exit(0)

        if _in_child(batch) == 0:
            start += _BATCH
            continue
        start = int(done.read_text()) + 1
        path = damaged(reader, folder, seed, start - 1)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        target = CORPUS / name / f"{digest}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        print(f"{name}: kept {target.name}")
        kept += 1
    return kept


def main() -> int:
    """Fuzz the chosen readers, all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reader", action="append", choices=sorted(READERS))
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    kept = 0
    for name in chosen.reader or READERS:
        with tempfile.TemporaryDirectory(prefix="fewshot-fuzz-") as folder:
            found = fuzz(name, chosen.rounds, chosen.seed, Path(folder))
        print(f"{name}: {chosen.rounds} files, {found} not borne", flush=True)
        kept += found
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
