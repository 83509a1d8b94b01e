import json
from pathlib import Path
from typing import Any

import pytest

from fewshot.run.stage_records import environments, read_records


def write(folder: Path, stage: str, when: str, **changes: Any) -> None:
    record = {
        "stage": stage,
        "started": when,
        "seconds": 2.5,
        "cpu_seconds": 4,
        "peak_memory_mb": 100,
        "environment": {"torch": "2.14.1", "python": "3.11.9"},
    }
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text(json.dumps(record | changes))


def test_records_come_in_the_order_of_the_run(tmp_path: Path) -> None:
    write(tmp_path / "predictions" / "final", "predict final", "2026-11-21T10:00:05.1+00:00")
    write(tmp_path / "calibration" / "final", "calibrate final", "2026-11-21T10:00:05.2+00:00")
    # One hour further east: this one came first.
    write(tmp_path / "data", "data", "2026-11-21T11:00:04+0100")
    write(tmp_path / "report", "report", "2026-11-21T09:00:00+0000")
    names = [record.name for record in read_records(tmp_path)]
    assert names == ["data", "predict final", "calibrate final"]


@pytest.mark.parametrize(
    "changes",
    [{"started": "soon"}, {"seconds": None}, {"environment": 3}, {"started": 5}],
)
def test_damaged_records_are_passed_over(changes: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "data", "data", "2026-11-21T10:00:05", **changes)
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "stage.json").write_text("{")
    assert read_records(tmp_path) == []


def test_environments_name_every_version(tmp_path: Path) -> None:
    write(tmp_path / "a", "data", "2026-11-21T10:00:05")
    newer = {"torch": "2.15.0", "python": "3.11.9"}
    write(tmp_path / "b", "score", "2026-11-21T10:00:06", environment=newer)
    records = read_records(tmp_path)
    assert environments(records) == {"torch": "2.14.1, 2.15.0", "python": "3.11.9"}
    assert environments([]) == {}
