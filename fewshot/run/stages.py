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
from fewshot.code_digest import code_digest
from fewshot.errors import FewshotError
from fewshot.files import read_json, sha256_file, write_json
from fewshot.progress import say
from fewshot.run.names import RECORD

_PACKAGES = ("detectron2", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pycocotools")


@dataclass(frozen=True)
class Stage:
    """One step of a run: a function from files and settings to files.

    Attributes:
        name: what it is called when it is reported.
        folder: where its record goes.
        settings: plain values that its results depend on.
        inputs: files, or folders of files, that it reads.
        outputs: files, or folders of files, that it leaves.
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
        if record["code"] != code_digest():
            return "fewshot itself changed"
        inputs = _digests(stage.inputs)
        for path in stage.inputs:
            if record["inputs"].get(str(path)) != inputs[str(path)]:
                return f"{path} changed"
        if list(record["inputs"]) != list(inputs):
            return "it reads other files than before"
        for path in stage.outputs:
            if not path.exists():
                return f"{path} is gone"
            if record["outputs"].get(path.name) != _fresh_digest(path):
                return f"{path} is not what the stage wrote"
    except (FewshotError, KeyError, TypeError, AttributeError):
        return f"{record_path} is damaged"
    return None


def forecast(stages: Sequence[Stage]) -> list[tuple[str, str | None]]:
    """Return each stage's name and why it would run, None where it would be skipped.

    A stage that reads what an earlier one is going to write anew counts as one that runs, though it
    will be skipped if that comes out as it was.
    """
    makers: dict[Path, str] = {}
    found: list[tuple[str, str | None]] = []
    for stage in stages:
        reason = why_run(stage)
        if reason is None:
            renewed = next((path for path in stage.inputs if path in makers), None)
            reason = None if renewed is None else f"{makers[renewed]!r} before it runs"
        if reason is not None:
            makers.update(dict.fromkeys(stage.outputs, stage.name))
        found.append((stage.name, reason))
    return found


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
        "outputs": {path.name: _fresh_digest(path) for path in stage.outputs},
        "code": code_digest(),
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
    """Return a digest of what an input holds; a file that was read before is not read again."""
    if path.is_dir():
        return _folder_digest(path, lambda file: _file_digest(file, *_stamp(file)))
    return _file_digest(path, *_stamp(path)) if path.is_file() else "missing"


def _fresh_digest(path: Path) -> str:
    """Return a digest of what an output holds; whatever its time says, it is read."""
    return _folder_digest(path, sha256_file) if path.is_dir() else sha256_file(path)


def _folder_digest(folder: Path, digest: Callable[[Path], str]) -> str:
    """Hidden files do not count: no reader of ours looks at them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder) for path in files)
    seen = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    parts = [(name.as_posix(), digest(folder / name)) for name in seen]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, _size: int, _modified: int) -> str:
    """Within one process a file of the same size and time is read once."""
    return sha256_file(path)


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(settings, default=str))


def _cpu_seconds() -> float:
    """User and system time of this process and its finished children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
