"""Kill a miniature run at every stage and point, resume it, and compare it with an unkilled one.

    .venv/bin/python scripts/chaos.py                 # the whole matrix, about an hour
    .venv/bin/python scripts/chaos.py --stage merge --point 'write half'

Prints a table of stage × kill point. Exit code 1 when a resumed run differs from the reference, or
leaves a temporary file, a checkpoint or a lock behind.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import chaos_points
from chaos_points import GENERAL_POINTS, POINTS, TRAINING_POINTS, Target
from fewshot.config.load import parse_settings
from fewshot.config.tree import RunSettings
from fewshot.pipeline import plan
from fewshot.pipeline.run import run
from fewshot.run.layout import RunLayout
from fewshot.run.names import RECORD, RESOLVED
from fewshot.training.model_folder import TIME

SETTINGS: dict[str, Any] = {
    "data": {"phantom": {"size": 64, "labelled": 4, "unlabelled": 3, "test": 2}},
    "device": "cpu",
    "detector": {"batch_size": 1, "ema": 0.9, "max_masks": 10},
    "training": {"evaluation_period": 0, "checkpoint_period": 2},
    "radiologists": [
        {"name": "rough", "learning_rate": 0.002, "iterations": 5, "score_threshold": 0.06},
        {"name": "steady", "learning_rate": 0.001, "iterations": 5, "score_threshold": 0.06},
        {"name": "fine", "learning_rate": 0.0005, "iterations": 6, "score_threshold": 0.06},
    ],
    "final": {"learning_rate": 0.001, "iterations": 6},
}
# What continuous integration tries: a training, a stage with several files, and a stream.
SAMPLE = (
    ("soft labels", "renamed"),
    ("train final", "checkpoint new"),
    ("submit", "write half"),
)
# They tell of times and of the machine, not of results.
NOT_COMPARED = {RECORD, TIME, "report.html"}
LOGS = "tensorboard"  # named after time and process


class Laboratory:
    """A reference run, and the place where runs are killed: records name absolute paths."""

    def __init__(self, folder: Path, settings: RunSettings | None = None) -> None:
        self.settings = settings or parse_settings(SETTINGS)
        self.reference = folder / "reference"
        self.run = folder / "run"

    def prepare(self) -> None:
        """Make the reference, without a kill."""
        if _in_child(lambda: run(self.settings, self.run)) != 0:
            raise SystemExit("chaos: the run without any kill failed")
        self.run.rename(self.reference)

    def stages(self) -> list[str]:
        """The names of the stages, in order."""
        return [stage.name for stage in plan.stages(RunLayout(self.settings, self.run))]

    def try_one(self, stage: str, point: str) -> str:
        """Kill a run at a point of a stage and resume it; return `equal`, or what is wrong."""
        self._rewind(stage)

        def killed() -> None:
            chaos_points.arm(Target(stage, point))
            run(self.settings, self.run, "resume")

        if _in_child(killed) != -signal.SIGKILL:
            return "never reached"
        if _in_child(lambda: run(self.settings, self.run, "resume")) != 0:
            return "DID NOT RESUME"
        return self.difference() or "equal"

    def difference(self) -> str:
        """Return what differs from the reference, nothing if nothing does."""
        ours, theirs = _contents(self.run), _contents(self.reference)
        if ours.keys() != theirs.keys():
            return f"FILES DIFFER: {min(ours.keys() ^ theirs.keys())}"
        changed = [name for name in ours if ours[name] != theirs[name]]
        return f"DIFFERS: {', '.join(changed[:3])}" if changed else ""

    def _rewind(self, stage: str) -> None:
        """Put the run back to where the stage is about to begin."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.reference, self.run)
        stages = plan.stages(RunLayout(self.settings, self.run))
        first = [one.name for one in stages].index(stage)
        for one in stages[first:]:
            for path in (one.folder / RECORD, *one.outputs):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        (self.run / RESOLVED).touch()


def cases(stages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every stage with every point that there is in it."""
    for stage in stages:
        for point in POINTS:
            training = stage.startswith("train ")
            if point in GENERAL_POINTS or (training and point in TRAINING_POINTS):
                yield stage, point


def _contents(folder: Path) -> dict[str, bytes]:
    """Return what a run left, but for times and logs; leftovers count as files of their own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED and LOGS not in path.parts
    }


def _in_child(work: Callable[[], object]) -> int:
    """Return the exit code of work done in a forked process, negative for a signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        work()
        os._exit(0)
    except BaseException as error:
        print(f"chaos: {type(error).__name__}: {error}", flush=True)
    os._exit(1)


def main() -> int:
    """Run the matrix, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stage", action="append", help="only this stage; may be repeated")
    parser.add_argument("--point", action="append", help="only this point; may be repeated")
    parser.add_argument("--sample", action="store_true", help="only what the tests try")
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="fewshot-chaos-") as folder:
        laboratory = Laboratory(Path(folder))
        laboratory.prepare()
        print(f"| {'stage':18} | {'killed':16} | {'resumed':10} |\n|---|---|---|")
        for stage, point in cases(laboratory.stages()):
            if chosen.sample and (stage, point) not in SAMPLE:
                continue
            if (chosen.stage and stage not in chosen.stage) or (
                chosen.point and point not in chosen.point
            ):
                continue
            result = laboratory.try_one(stage, point)
            bad += result != "equal"
            print(f"| {stage:18} | {point:16} | {result:10} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
