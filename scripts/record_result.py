"""Keep what a finished run scored as a small file that README and docs make their tables from.

    python scripts/record_result.py runs/demo results/demo.json --command 'make demo'

The file holds the scores, the settings that differ from the built-in ones, seeds, commit, date,
processor and versions, and what each stage cost. Scores of single slices lie beside it as CSV.
"""

import argparse
import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from fewshot.config.load import load_settings
from fewshot.config.tree import RunSettings
from fewshot.run.stage_records import environments, read_records

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the result file of a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--command", required=True, help="what a reader types to repeat it")
    parser.add_argument("--commit", default="HEAD", help="the code that made the run (HEAD)")
    told = parser.parse_args()
    settings = load_settings(told.run / "config.resolved.yaml")
    records = read_records(told.run)
    content = {
        "command": told.command,
        "commit": _git("rev-parse", "--short", told.commit),
        "date": max(record.started for record in records).date().isoformat(),
        "processor": _processor(),
        "environment": environments(records),
        "seed": settings.seed,
        "settings": _differing(settings),
        "cpu_minutes": round(sum(record.cpu_seconds for record in records) / 60, 1),
        "peak_memory_mb": round(max(record.peak_memory_mb for record in records)),
        "stages": {record.name: record.cpu_seconds for record in records},
        "metrics": json.loads((told.run / "metrics.json").read_text(encoding="utf-8")),
    }
    told.target.parent.mkdir(parents=True, exist_ok=True)
    told.target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(told.run / "score" / "per_image.csv", told.target.with_suffix(".csv"))


def _differing(settings: RunSettings) -> dict[str, Any]:
    """Return what a run's settings say that the built-in ones do not; paths are left out."""
    told = settings.model_dump(mode="json", exclude_defaults=True)
    told.get("data", {}).update(
        {key: Path(value).name for key, value in told.get("data", {}).items() if _is_path(value)}
    )
    return told


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "/" in value


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


if __name__ == "__main__":
    main()
