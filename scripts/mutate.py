"""Break the code on purpose, and see that a test fails: once for each promise.

    .venv/bin/python scripts/mutate.py             # all, some CPU-minutes
    .venv/bin/python scripts/mutate.py --only lock # those whose file, test or name has the word
    .venv/bin/python scripts/mutate.py --write     # and docs/mutations.md with what came out

A test that still passes after what it is there for was broken cannot fail. The mutations are in
mutations.py; each is tried in a temporary copy of the package. Exit code 1 when one is not noticed.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "mutations.md"
_COPIED = ("fewshot", "tests", "scripts", "configs", "pyproject.toml", "README.md")
_LONGEST = 300  # seconds of the clock for one test
_HEAD = """# Mutations

The code behind each promise of [reliability.md](reliability.md), broken on purpose:
`scripts/mutate.py` changes one line in a copy of the package and runs the test that must fail. This
shows that each test can fail; all are run by hand, in a few CPU-minutes.

| promise | what is broken | in | the test that notices |
|---|---|---|---|
"""


def page(date: str) -> str:
    """Return docs/mutations.md, for a run on a date in which every row was noticed."""
    rows = [
        f"| {one.promise} | {one.what} | `{one.file}` | `{_short(one.test)}` |" for one in MUTATIONS
    ]
    return _HEAD + "\n".join(rows) + f"\n\nAll {len(rows)} were noticed on {date}.\n"


def mutated(mutation: Mutation, root: Path) -> str:
    """Return the text of a mutation's file below a root with the line in it broken.

    Raises `SystemExit` unless the line is there exactly once.
    """
    text = (root / mutation.file).read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.file}: holds {text.count(mutation.old)} times {mutation.old!r}; mend "
            "scripts/mutations.py"
        )
    return text.replace(mutation.old, mutation.new)


def try_one(mutation: Mutation, copy: Path) -> str:
    """Return `noticed`, or what came of a mutation instead."""
    path = copy / mutation.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutation, copy), encoding="utf-8")
    try:
        code = _pytest([mutation.test], copy)
    finally:
        path.write_text(whole, encoding="utf-8")
    return {0: "NOT NOTICED", 1: "noticed"}.get(code, f"pytest ended with {code}")


def main() -> int:
    """Try the chosen mutations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="word in the file, the test or the name")
    parser.add_argument("--write", action="store_true", help="write docs/mutations.md")
    chosen = parser.parse_args()
    wanted = [one for one in MUTATIONS if chosen.only in f"{one.file} {one.test} {one.what}"]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="fewshot-mutate-") as name:
        copy = Path(name)
        _copy(copy)
        if _pytest(sorted({one.test for one in wanted}), copy) != 0:
            print("the tests fail without any mutation")
            return 1
        for one in wanted:
            answer = try_one(one, copy)
            failed += answer != "noticed"
            print(f"{answer}: {one.what} ({one.file}; {_short(one.test)})", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    print(f"{len(wanted)} mutations, {failed} not noticed, {seconds / 60:.1f} CPU-minutes")
    if chosen.write and not failed and len(wanted) == len(MUTATIONS):
        PAGE.write_text(page(datetime.now(UTC).date().isoformat()), encoding="utf-8")
    return 1 if failed else 0


def _copy(target: Path) -> None:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copy(source, target / name)


def _pytest(tests: Sequence[str], copy: Path) -> int:
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly"]
    # Compiled files are told apart by time and size, which a mutation may leave as they are.
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with tempfile.TemporaryFile() as output:
        # In a session of its own: what a broken package left running is ended with it.
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(_LONGEST * max(1, len(tests) // 4))
        except subprocess.TimeoutExpired:
            code = 1
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        said = output.read().decode(errors="replace")
    if code not in (0, 1) or (len(tests) > 1 and code):
        print(said[-1500:], end="")
    return code


def _short(test: str) -> str:
    return test.removeprefix("tests/").partition("[")[0]


if __name__ == "__main__":
    sys.exit(main())
