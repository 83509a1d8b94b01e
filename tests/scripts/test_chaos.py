"""A sample of the kill-and-resume matrix; scripts/chaos.py without --sample is the whole of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chaos
from chaos_points import POINTS
from fewshot.config.load import parse_settings


@pytest.mark.slow
def test_killed_runs_end_as_the_one_that_was_not() -> None:
    script = Path(chaos.__file__)
    done = subprocess.run(
        [sys.executable, str(script), "--sample"],
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parents[1])},
    )
    rows = [line for line in done.stdout.splitlines() if "equal" in line]
    assert (done.returncode, len(rows)) == (0, len(chaos.SAMPLE)), done.stdout + done.stderr


def test_every_stage_is_killed_at_every_point() -> None:
    stages = ["data", "train final"]
    cases = list(chaos.cases(stages))
    assert {point for stage, point in cases if stage == "train final"} == set(POINTS)
    assert len(cases) == len(set(cases)) == 6 + len(POINTS)


def test_the_small_run_has_settings_of_today() -> None:
    assert parse_settings(chaos.SETTINGS).training.checkpoint_period == 2
