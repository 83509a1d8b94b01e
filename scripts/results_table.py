"""Tables of README and docs, made from the result files that `record_result.py` wrote."""

import json
from pathlib import Path
from typing import Any

from fewshot.config.base import Metric
from fewshot.metrics.slice_metrics import Measure
from fewshot.run.scores import ModelScores, RunScores, columns


def table_of(path: Path) -> str:
    """Return the Markdown table of a result file, with a line that says where it comes from."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    scores = RunScores.from_json(content["metrics"])
    shown = columns()
    rows = {
        name: [_cell(measure, one, scores.metric) for measure in shown]
        for name, one in scores.models.items()
    }
    lines = [
        f"| model | {' | '.join(measure.heading for measure in shown)} |",
        f"|---|{'---|' * len(shown)}",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
        "",
        f"*`{content['command']}`, seed {content['seed']}, {content['date']}, commit "
        f"{content['commit']}: {content['cpu_minutes']:.0f} CPU-minutes and "
        f"{content['peak_memory_mb'] / 1000:.1f} GB on one core of an {content['processor']}; "
        f"scores of single slices in `{path.parent.name}/{path.stem}.csv`.*",
    ]
    return "\n".join(lines) + "\n"


def _cell(measure: Measure, scores: ModelScores, metric: Metric) -> str:
    """Return a mean, with its 95 % interval in brackets where it has one."""
    value = scores.value(measure, metric)
    if value is None:
        return "–"
    if value.interval is None:
        return measure.text(value.mean)
    low, high = map(measure.text, value.interval)
    return f"{measure.text(value.mean)} ({low} to {high})"
