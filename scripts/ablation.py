"""Which settings make soft labels pay: a matrix of runs, each with its fair control, one row a run.

    python scripts/ablation.py MATRIX.yaml --out runs/ablation

The matrix is a YAML file (`configs/ablation/` holds ours):

    base: ../headneck_cpu.yaml        # the settings that all rows start from
    groups: ${FEWSHOT_DATA}/headneck/groups_test.csv   # patients of the scored slices
    labelled: [92, 23]                # numbers of labelled slices; each is a table of its own
                                      # (or labelled_patients: [3, 12], whole patients)
    seeds: [0, 1]
    holdout: false                    # score on the labelled slices that are not used, not the test
    folds: 4                          # cross-validate: seed s holds out part s of four to which
                                      # the labelled patients are dealt
    settings: [detector.input_size=112]                # for all rows
    rows:
      naive: []
      vote: [soft_labels.assignment=vote]

Rows with the same number of labelled slices and the same seed share one run directory, so that what
they have in common (radiologists, often the control) is trained once. A matrix that was stopped
goes on where it was. Final and control of a row differ in the unlabelled slices alone: same
iterations, same seed, same way of predicting. Leaves rows/, table.csv, table.json and table.png in
--out, and with several numbers of labelled slices curve.png.

With --jobs several run directories are worked on at once, each by a process of its own that writes
to logs/. That is for a GPU, which one small network leaves mostly idle: start NVIDIA's
nvidia-cuda-mps-control -d first (without it the processes wait for one another) and set
OMP_NUM_THREADS=1.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ablation_holdout import Fold, Patients, holdout_data
from ablation_table import RowScores, read_scores, write_tables
from fewshot.config.base import Settings
from fewshot.config.load import dump_settings, load_settings, read_tree
from fewshot.config.tree import RunSettings
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json, write_json
from fewshot.pipeline.run import run
from fewshot.progress import say


class Matrix(Settings):
    """What is to be compared; see this module."""

    base: Path
    groups: Path | None = None
    labelled: tuple[Annotated[int, Field(ge=1)], ...] = ()
    labelled_patients: tuple[Annotated[int, Field(ge=1)], ...] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    holdout: bool = False
    folds: Annotated[int, Field(ge=2)] | None = None
    settings: tuple[str, ...] = ()
    rows: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]


@dataclass(frozen=True)
class Cell:
    """One run of the matrix."""

    row: str
    labelled: int
    seed: int
    unit: str = ""

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.row}-{self.run}"

    @property
    def run(self) -> str:
        """The name of the run directory, which rows with the same data and seed share."""
        return f"{self.labelled}{self.unit}-{self.seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of a matrix and write its tables; the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog=f"fewshot's {Path(__file__).name}; its first lines describe the matrix file.",
    )
    parser.add_argument("matrix", type=Path, help="YAML file")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and tables")
    parser.add_argument("--only", nargs="*", help="run these rows alone")
    parser.add_argument("--jobs", type=int, default=1, help="run directories at once (1)")
    options = parser.parse_args(arguments)
    try:
        matrix = read_matrix(options.matrix)
        chosen = set(options.only or matrix.rows)
        if unknown := chosen - set(matrix.rows):
            raise InputError(f"--only {min(unknown)}: no such row; there are {[*matrix.rows]}")
        if options.jobs < 1:
            raise InputError(f"--jobs {options.jobs}: must be at least 1")
        wanted = [cell for cell in cells(matrix) if cell.row in chosen]
        for cell in wanted:  # what is wrong is told, and what runs share is made, before any runs
            _settings(matrix, cell, options.out)
        for _ in _finished(matrix, wanted, options.out, options.jobs):
            _write_tables(matrix, options.out)
    except FewshotError as error:
        say(f"error: {error}")
        return 2 if isinstance(error, InputError) else 1
    return 0


def read_matrix(path: Path) -> Matrix:
    """Return a matrix; its paths are relative to the file. `InputError` for a wrong one."""
    tree = read_tree(path)
    try:
        matrix = Matrix.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {key}: {first['msg']}") from error
    if bool(matrix.labelled) == bool(matrix.labelled_patients):
        raise InputError(f"{path}: give either labelled (slices) or labelled_patients")
    if matrix.holdout and matrix.folds is not None:
        raise InputError(f"{path}: folds: hold slices out already; leave holdout out")
    return matrix.model_copy(update={"base": path.parent / matrix.base})


def cells(matrix: Matrix) -> list[Cell]:
    """Return the runs of a matrix: rows with the same data and seed follow one another."""
    return [
        Cell(row, labelled, seed, "p" if matrix.labelled_patients else "")
        for labelled in matrix.labelled_patients or matrix.labelled
        for seed in matrix.seeds
        for row in matrix.rows
    ]


def _finished(matrix: Matrix, wanted: Sequence[Cell], out: Path, jobs: int) -> Iterable[None]:
    """Run cells, and yield whenever some are done."""
    if jobs == 1:
        for cell in wanted:
            _run_cell(matrix, cell, out)
            yield
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        runs = [
            pool.submit(_run_directory, matrix, tuple(rows), out)
            for _, rows in groupby(wanted, key=lambda cell: cell.run)
        ]
        try:
            for one in as_completed(runs):
                one.result()
                yield
        except BrokenProcessPool as error:
            raise FewshotError(f"a run was killed; see {out / 'logs'} and its memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _run_directory(matrix: Matrix, rows: Sequence[Cell], out: Path) -> None:
    """Run the rows of one run directory, in a process whose words go to a file."""
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{rows[0].run}.log").open("a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    for cell in rows:
        _run_cell(matrix, cell, out)


def _run_cell(matrix: Matrix, cell: Cell, out: Path) -> None:
    settings = _settings(matrix, cell, out)
    key = hashlib.sha256(dump_settings(settings).encode()).hexdigest()
    target = out / "rows" / f"{cell.name}.json"
    if target.is_file() and read_json(target).get("key") == key:
        say(f"{cell.name}: done")
        return
    say(f"{cell.name}: runs")
    folder = out / "runs" / cell.run
    metrics = run(settings, folder.resolve(), "resume")
    scores = read_scores(folder / "metrics.json", folder / "score" / "per_image.csv")
    write_json(target, {"key": key, "metrics": metrics, "slices": scores})


def _settings(matrix: Matrix, cell: Cell, out: Path) -> RunSettings:
    given = [*matrix.settings, *matrix.rows[cell.row], f"seed={cell.seed}", "control=true"]
    key = "labelled_patients" if cell.unit else "labelled"
    settings = load_settings(matrix.base, [*given, f"data.{key}={cell.labelled}"])
    if matrix.folds is not None:
        fold = Fold(cell.seed % matrix.folds, matrix.folds)
        data = holdout_data(settings.data, fold, out / "data" / f"fold{fold.index}")
    elif matrix.holdout:
        choice = Patients(cell.labelled) if cell.unit else cell.labelled
        data = holdout_data(settings.data, choice, out / "data" / f"{cell.labelled}{cell.unit}")
    else:
        return settings
    return settings.model_copy(update={"data": data})


def _write_tables(matrix: Matrix, out: Path) -> None:
    rows: dict[int, list[RowScores]] = {}
    for cell in cells(matrix):
        path = out / "rows" / f"{cell.name}.json"
        content: dict[str, Any] = read_json(path) if path.is_file() else {}
        if "slices" in content:  # not in the rows of earlier releases
            rows.setdefault(cell.labelled, []).append(
                RowScores(cell.row, cell.seed, content["slices"], content["metrics"])
            )
    write_tables(rows, matrix.groups, out)
    say(json.dumps({"table": str(out / "table.csv")}))


if __name__ == "__main__":
    sys.exit(main())
