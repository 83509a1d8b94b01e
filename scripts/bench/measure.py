"""What the benches share: two sides timed in turn, and their ratios as a table and as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

Seconds = tuple[float, float]  # wall, CPU


@dataclass(frozen=True)
class Comparison:
    """Seconds of another library and of fewshot, one pair a round."""

    rounds: list[tuple[Seconds, Seconds]]

    def ratio(self, clock: int) -> float:
        """Return the median over rounds of theirs / ours; clock 0 is wall, 1 CPU time."""
        return statistics.median(theirs[clock] / ours[clock] for theirs, ours in self.rounds)

    def seconds(self, side: int, clock: int) -> float:
        """Return the median seconds of one side (0 theirs, 1 ours)."""
        return statistics.median(pair[side][clock] for pair in self.rounds)


def compare(
    theirs: Callable[[], Any], ours: Callable[[], Any], rounds: int, *, warm_up: bool = True
) -> Comparison:
    """Return the time of both, run in turn so that a busy machine slows them alike."""
    if warm_up:
        theirs(), ours()  # imports, caches and files
    return Comparison([(timed(theirs), timed(ours)) for _ in range(rounds)])


def environment(*packages: str) -> dict[str, Any]:
    """Return what the figures depend on: machine, Python and library versions."""
    versions = {package: version(package) for package in ("numpy", *packages)}
    return {
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} processors",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": versions,
    }


def print_result(
    other: str, comparisons: Mapping[str, Comparison], result: Mapping[str, Any]
) -> None:
    """Print a table of ratios and one JSON line with everything."""
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    print(f"{'':26s}{other + ', ms':>18s}{'fewshot, ms':>18s}{'wall ratio':>12s}{'CPU ratio':>12s}")
    for name, one in comparisons.items():
        theirs, ours = 1000 * one.seconds(0, 0), 1000 * one.seconds(1, 0)
        print(f"{name:26s}{theirs:18.2f}{ours:18.2f}{one.ratio(0):12.1f}{one.ratio(1):12.1f}")
    ratios = {
        name: {
            "wall_ratio": round(one.ratio(0), 2),
            "cpu_ratio": round(one.ratio(1), 2),
            "rounds": len(one.rounds),
        }
        for name, one in comparisons.items()
    }
    print(json.dumps({**result, "against": other, "ratios": ratios}))


def timed(work: Callable[[], Any]) -> Seconds:
    """Return the wall and CPU seconds that some work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
