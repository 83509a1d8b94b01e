"""Tables of README and docs, made from the result files that `record_result.py` wrote."""

import json
import math
from pathlib import Path
from typing import Any

from fewshot.report.score_table import ScoreRow, score_table


def table_of(path: Path) -> str:
    """Return the Markdown table of a result file, with a line that says where it comes from."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    metrics = content["metrics"]
    rows = score_table(metrics, metrics["answer"]["part"])
    lines = [
        "| model | ARI, all pixels (95 %) | ARI, foreground (95 %) | mask AP |",
        "|---|---|---|---|",
        *map(_line, rows),
        "",
        f"*`{content['command']}`, seed {content['seed']}, {content['date']}, commit "
        f"{content['commit']}: {content['cpu_minutes']:.0f} CPU-minutes and "
        f"{content['peak_memory_mb'] / 1000:.1f} GB on one core of an {content['processor']}; "
        f"scores of single slices in `{path.parent.name}/{path.stem}.csv`.*",
    ]
    return "\n".join(lines) + "\n"


def _line(row: ScoreRow) -> str:
    cells = [
        row.name,
        _mean(row.all_pixels, row.all_interval),
        _mean(row.foreground, row.foreground_interval),
        "–" if math.isnan(row.precision) else f"{row.precision:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _mean(mean: float, interval: tuple[float, float] | None) -> str:
    return f"{mean:.3f}" + (
        "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    )
