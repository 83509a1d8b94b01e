"""The run directory: what each stage did, from what, and whether that still holds.

A stage's folder holds `stage.json`: the settings and the digests of inputs, outputs and code that
its results follow from, and the environment they were made in. A stage is done when this record
says so and all of it still matches.
"""

import hashlib
import json
import platform
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import fewshot
from fewshot.errors import FewshotError
from fewshot.files import read_json, sha256_file, write_json
from fewshot.progress import say

RECORD = "stage.json"
_SOURCES = (".py", ".jinja", ".css", ".js")
_PACKAGES = ("detectron2", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pycocotools")


@dataclass(frozen=True)
class Stage:
    """One step of a run: a function from files and settings to files.

    Attributes:
        name: what it is called when it is reported.
        folder: where its record goes.
        settings: plain values that its results depend on.
        inputs: files, or folders of files, that it reads.
        outputs: files that it leaves.
        work: does it.
    """

    name: str
    folder: Path
    settings: Any
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    work: Callable[[], None] = field(repr=False)


def why_run(stage: Stage) -> str | None:
    """Return why a stage must run, or None when its results are there and still hold."""
    record_path = stage.folder / RECORD
    if not record_path.is_file():
        return "not done yet"
    try:
        record = read_json(record_path)
        if record["settings"] != _plain(stage.settings):
            return "its settings changed"
        if record["code"] != _code_digest():
            return "fewshot itself changed"
        inputs = _digests(stage.inputs)
        for path in stage.inputs:
            if record["inputs"].get(str(path)) != inputs[str(path)]:
                return f"{path} changed"
        if list(record["inputs"]) != list(inputs):
            return "it reads other files than before"
        for path in stage.outputs:
            if not path.is_file():
                return f"{path} is gone"
            if record["outputs"].get(path.name) != sha256_file(path):
                return f"{path} is not what the stage wrote"
    except (FewshotError, KeyError, TypeError, AttributeError):
        return f"{record_path} is damaged"
    return None


def run_stage(stage: Stage) -> None:
    """Run a stage unless its results still hold; say which, and why."""
    reason = why_run(stage)
    if reason is None:
        say(f"[{stage.name}] skipped: done and unchanged")
        return
    say(f"[{stage.name}] runs: {reason}")
    (stage.folder / RECORD).unlink(missing_ok=True)
    started, cpu_started = time.time(), _cpu_seconds()
    inputs = _digests(stage.inputs)
    stage.work()
    record = {
        "stage": stage.name,
        "settings": _plain(stage.settings),
        "inputs": inputs,
        "outputs": {path.name: sha256_file(path) for path in stage.outputs},
        "code": _code_digest(),
        "environment": environment(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
        "seconds": round(time.time() - started, 1),
        "cpu_seconds": round(_cpu_seconds() - cpu_started, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    write_json(stage.folder / RECORD, record)


def environment() -> dict[str, str]:
    """Return the versions that results can depend on."""
    versions = {"fewshot": fewshot.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "without metadata"
    versions["machine"] = platform.machine()
    return versions


def _digests(paths: Sequence[Path]) -> dict[str, str]:
    return {str(path): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        parts = [(file.name, _file_digest(file, *_stamp(file))) for file in files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return _file_digest(path, *_stamp(path)) if path.is_file() else "missing"


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, _size: int, _modified: int) -> str:
    """Within one process a file of the same size and time is read once."""
    return sha256_file(path)


@lru_cache(maxsize=1)
def _code_digest() -> str:
    package = Path(fewshot.__file__).parent
    sources = sorted(path for path in package.rglob("*") if path.suffix in _SOURCES)
    parts = [(str(path.relative_to(package)), sha256_file(path)) for path in sources]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(settings, default=str))


def _cpu_seconds() -> float:
    """User and system time of this process and its finished children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
