"""The stages of a run, their records, and whether their results are still up to date.

A stage's folder contains `stage.json`: the settings, the digests of inputs, outputs and code, and
the environment. A stage is done if all of that still matches. Inputs are identified by role rather
than by path, so that a run directory and its data may be moved.
"""

import json
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import fewshot
from fewshot.code_digest import PackageCode, running_code
from fewshot.errors import FewshotError
from fewshot.files import read_json, write_json
from fewshot.progress import say
from fewshot.run.digests import Digests
from fewshot.run.names import RECORD

_PACKAGES = ("detectron2", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pycocotools")
_MOST_NAMED = 3


@dataclass(frozen=True)
class Stage:
    """One step of a run: a function from files and settings to files.

    Attributes:
        name: as in messages.
        folder: of its record.
        settings: plain values that its results depend on, by name.
        inputs: role → file or folder that it reads; the role is the setting that names it, or its
            path in the run directory.
        outputs: files or folders that it writes.
        work: does it.
        check: checks the inputs before a run writes anything; `InputError` for wrong ones.
        modules: dotted names of modules whose code it uses besides that of `work`.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, Path]
    outputs: Sequence[Path]
    work: Callable[[], None] = field(repr=False)
    check: Callable[[], object] | None = field(default=None, repr=False)
    modules: Sequence[str] = ()

    @property
    def code(self) -> list[str]:
        """The modules whose code, with all they import, its results follow from."""
        return [self.work.__module__, *self.modules]


class StageRunner:
    """Runs stages unless their results are up to date; one for a whole run.

    Args:
        code: what results depend on; by default the running package.
    """

    def __init__(self, code: PackageCode | None = None) -> None:
        self._code = code or running_code()
        self._digests = Digests()

    def why_run(self, stage: Stage) -> str | None:
        """Return why a stage must run, or None if its results are up to date."""
        path = stage.folder / RECORD
        if not path.is_file():
            return "not done yet"
        code = self._code_of(stage)
        try:
            record = read_json(path)
            if isinstance(record["code"], str):
                return (
                    f"done by fewshot {record['environment']['fewshot']}, whose records do not say "
                    "which code a stage used"
                )
            return (
                _changed("its settings", record["settings"], _plain(stage.settings))
                or _changed("the code it uses", record["code"], code)
                or self._changed_files(stage, record)
            )
        except (FewshotError, KeyError, TypeError, AttributeError):
            return f"{path} is damaged"

    def forecast(self, stages: Sequence[Stage]) -> list[tuple[str, str | None]]:
        """Return each stage's name and why it would run, or None if it would be skipped.

        A stage that reads an output of one that runs counts as one that runs, although it will be
        skipped if that output does not change.
        """
        makers: dict[Path, str] = {}
        found: list[tuple[str, str | None]] = []
        for stage in stages:
            reason = self.why_run(stage)
            if reason is None:
                renewed = next((path for path in stage.inputs.values() if path in makers), None)
                reason = None if renewed is None else f"{makers[renewed]!r} before it runs"
            if reason is not None:
                makers.update(dict.fromkeys(stage.outputs, stage.name))
            found.append((stage.name, reason))
        return found

    def run(self, stage: Stage) -> None:
        """Run a stage unless its results are up to date; say which, and why."""
        reason = self.why_run(stage)
        if reason is None:
            say(f"[{stage.name}] skipped: done and unchanged")
            return
        say(f"[{stage.name}] runs: {reason}")
        (stage.folder / RECORD).unlink(missing_ok=True)
        started, clock, cpu_started = datetime.now().astimezone(), time.time(), _cpu_seconds()
        inputs = {role: self._digests.of(path) for role, path in stage.inputs.items()}
        stage.work()
        record = {
            "stage": stage.name,
            "settings": _plain(stage.settings),
            "inputs": inputs,
            "outputs": {path.name: self._digests.fresh(path) for path in stage.outputs},
            "code": self._code_of(stage),
            "environment": environment(),
            "started": started.isoformat(),
            "seconds": round(time.time() - clock, 1),
            "cpu_seconds": round(_cpu_seconds() - cpu_started, 1),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        write_json(stage.folder / RECORD, record)

    def _code_of(self, stage: Stage) -> dict[str, str]:
        return self._code.digests(stage.code)

    def _changed_files(self, stage: Stage, record: Mapping[str, Any]) -> str | None:
        for role, path in stage.inputs.items():
            if record["inputs"].get(role) != self._digests.of(path):
                return f"{role} changed"
        if set(record["inputs"]) != set(stage.inputs):
            return "it reads other files than before"
        for path in stage.outputs:
            if not path.exists():
                return f"{path} is gone"
            if record["outputs"].get(path.name) != self._digests.fresh(path):
                return f"{path} is not what the stage wrote"
        return None


def in_order(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages so that each comes after those whose outputs it reads.

    Raises `ValueError` for a cycle.

    >>> masks, page = Path("run/masks.json"), Path("run/report.html")
    >>> report = Stage("report", Path("run"), {}, {"masks": masks}, [page], work=print)
    >>> predict = Stage("predict", Path("run"), {}, {}, [masks], work=print)
    >>> [stage.name for stage in in_order([report, predict])]
    ['predict', 'report']
    """
    makers = {path: stage.name for stage in stages for path in stage.outputs}
    waiting, done = list(stages), dict[str, Stage]()
    while waiting:
        for stage in waiting:
            needed = {makers[path] for path in stage.inputs.values() if path in makers}
            if needed <= done.keys():
                break
        else:
            raise ValueError(f"stages wait for one another: {[one.name for one in waiting]}")
        waiting.remove(stage)
        done[stage.name] = stage
    return [*done.values()]


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


def _changed(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return in words which values of two mappings differ; None if all are equal."""
    keys = [*now, *(key for key in before if key not in now)]
    differing = [key for key in keys if key not in before or before[key] != now.get(key)]
    if not differing and len(before) == len(now):
        return None
    more = len(differing) - _MOST_NAMED
    named = ", ".join(differing[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{what} changed ({named})"


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(settings, default=str))


def _cpu_seconds() -> float:
    """User and system time of this process and its finished children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
