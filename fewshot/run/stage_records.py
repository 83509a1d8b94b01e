"""Time, memory and environment of a run's stages, from their records."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fewshot.run.names import RECORD

_OWN_FOLDER = "report"


@dataclass(frozen=True)
class StageRecord:
    """One stage: when it started, how long it took, and in which environment.

    `seconds` is wall time, `cpu_seconds` that of all processors together; `peak_memory_mb` is the
    peak memory of the process by the end of the stage.
    """

    name: str
    started: datetime
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    environment: dict[str, str]


def read_records(root: Path) -> list[StageRecord]:
    """Return the records of the stages in a run directory, in the order in which they ran.

    Leaves out that of the report itself, which is never of the same age, and unreadable records.
    """
    paths = sorted([*root.glob(f"*/{RECORD}"), *root.glob(f"*/*/{RECORD}")])
    records = [_read(path) for path in paths if path.parent != root / _OWN_FOLDER]
    known = (record for record in records if record is not None)
    return sorted(known, key=lambda record: record.started)


def environments(records: Sequence[StageRecord]) -> dict[str, str]:
    """Return package → version, or versions joined by comma if stages ran with several."""
    versions: dict[str, list[str]] = {}
    for record in records:
        for package, version in record.environment.items():
            seen = versions.setdefault(package, [])
            if version not in seen:
                seen.append(version)
    return {package: ", ".join(seen) for package, seen in versions.items()}


def _read(path: Path) -> StageRecord | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        started = datetime.fromisoformat(content["started"])
        return StageRecord(
            name=str(content["stage"]),
            started=started if started.tzinfo else started.replace(tzinfo=UTC),
            seconds=float(content["seconds"]),
            cpu_seconds=float(content["cpu_seconds"]),
            peak_memory_mb=float(content["peak_memory_mb"]),
            environment={str(key): str(value) for key, value in content["environment"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
