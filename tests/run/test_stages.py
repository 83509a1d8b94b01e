"""The run directory: what holds is skipped, what changed runs again, and the reason is told."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import fewshot
from fewshot.files import sha256_file
from fewshot.run.names import RECORD
from fewshot.run.stages import Stage, environment, forecast, run_stage, why_run

SETTINGS = {"seed": 0, "names": ("a", "b"), "in": Path("X")}


@dataclass
class Workshop:
    """A stage that joins its inputs into one output, and counts how often it did."""

    root: Path
    settings: Any = field(default_factory=lambda: dict(SETTINGS))
    runs: int = 0

    def __post_init__(self) -> None:
        (self.root / "X").mkdir()
        (self.root / "X" / "0.png").write_bytes(b"zero")
        (self.root / "X" / "1.png").write_bytes(b"one")
        (self.root / "labels.csv").write_bytes(b"labels")
        self.inputs: Sequence[Path] = [self.root / "X", self.root / "labels.csv"]

    @property
    def output(self) -> Path:
        return self.root / "out" / "train.json"

    @property
    def record(self) -> Path:
        return self.root / "out" / RECORD

    @property
    def stage(self) -> Stage:
        folder = self.root / "out"
        return Stage("data", folder, self.settings, self.inputs, [self.output], self.work)

    def work(self) -> None:
        self.runs += 1
        self.output.parent.mkdir(exist_ok=True)
        self.output.write_bytes(b"made from " + (self.root / "labels.csv").read_bytes())

    def edit_record(self, **changes: Any) -> None:
        record = json.loads(self.record.read_text())
        self.record.write_text(json.dumps({**record, **changes}))


@pytest.fixture
def done(tmp_path: Path) -> Workshop:
    """A workshop whose stage has run."""
    workshop = Workshop(tmp_path)
    run_stage(workshop.stage)
    return workshop


def rewrite(path: Path, content: bytes) -> None:
    """Write other bytes, as a user would some time later."""
    path.write_bytes(content)
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def test_a_stage_runs_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workshop = Workshop(tmp_path)
    assert why_run(workshop.stage) == "not done yet"
    run_stage(workshop.stage)
    assert workshop.runs == 1
    assert why_run(workshop.stage) is None
    run_stage(workshop.stage)
    assert workshop.runs == 1
    assert capsys.readouterr().err.splitlines() == [
        "[data] runs: not done yet",
        "[data] skipped: done and unchanged",
    ]


def test_the_record_says_what_was_done_from_what(done: Workshop) -> None:
    record = json.loads(done.record.read_text())
    assert record["stage"] == "data"
    assert record["settings"] == {"seed": 0, "names": ["a", "b"], "in": "X"}
    assert list(record["inputs"]) == [str(path) for path in done.inputs]
    assert record["inputs"][str(done.root / "labels.csv")] == sha256_file(done.root / "labels.csv")
    assert record["outputs"] == {"train.json": sha256_file(done.output)}
    assert record["environment"]["fewshot"] == fewshot.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", record["started"])
    assert record["seconds"] >= 0
    assert record["cpu_seconds"] >= 0
    assert record["peak_memory_mb"] > 1


Change = Callable[[Workshop], object]


def set_settings(value: Any) -> Change:
    return lambda done: setattr(done, "settings", value)


def set_inputs(*names: str) -> Change:
    return lambda done: setattr(done, "inputs", [done.root / name for name in names])


def corrupt(content: str) -> Change:
    return lambda done: done.record.write_text(content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # Settings, down to one value.
        (set_settings({"seed": 1, "names": ["a", "b"], "in": "X"}), "its settings changed"),
        (set_settings({"seed": 0, "names": ["b", "a"], "in": "X"}), "its settings changed"),
        (set_settings({"seed": 0}), "its settings changed"),
        # Bytes of an input, of a file in a folder, and which files a folder holds.
        (lambda done: rewrite(done.root / "labels.csv", b"other"), "labels.csv changed"),
        (lambda done: rewrite(done.root / "labels.csv", b"lobels"), "labels.csv changed"),
        (lambda done: rewrite(done.root / "X" / "1.png", b"eno"), "X changed"),
        (lambda done: rewrite(done.root / "X" / "2.png", b"two"), "X changed"),
        (lambda done: (done.root / "X" / "1.png").unlink(), "X changed"),
        (lambda done: (done.root / "X" / "1.png").rename(done.root / "X" / "3.png"), "X changed"),
        (lambda done: (done.root / "labels.csv").unlink(), "labels.csv changed"),
        # Which inputs there are: one more, one less (groups taken out of the settings), swapped.
        (set_inputs("X", "labels.csv", "groups.csv"), "groups.csv changed"),
        (set_inputs("X"), "it reads other files than before"),
        (set_inputs("labels.csv", "X"), "it reads other files than before"),
        # Outputs.
        (lambda done: done.output.unlink(), "train.json is gone"),
        (lambda done: done.output.write_bytes(b"half"), "train.json is not what the stage wrote"),
        (lambda done: done.output.write_bytes(b""), "train.json is not what the stage wrote"),
        # The record.
        (lambda done: done.record.unlink(), "not done yet"),
        (corrupt(""), "stage.json is damaged"),
        (corrupt("{}"), "stage.json is damaged"),
        (corrupt("[1, 2]"), "stage.json is damaged"),
        (corrupt("null"), "stage.json is damaged"),
        (corrupt('{"settings": '), "stage.json is damaged"),
        (corrupt("9" * 5000), "stage.json is damaged"),
        (lambda done: done.record.write_bytes(b"\xff\xfe"), "stage.json is damaged"),
        (lambda done: done.edit_record(inputs=None), "stage.json is damaged"),
        (lambda done: done.edit_record(outputs=[]), "stage.json is damaged"),
        (lambda done: done.edit_record(outputs={}), "train.json is not what the stage wrote"),
        # A newer fewshot.
        (lambda done: done.edit_record(code="0" * 64), "fewshot itself changed"),
    ],
)
def test_what_changed_is_told_and_done_again(change: Change, reason: str, done: Workshop) -> None:
    change(done)
    found = why_run(done.stage)
    assert found is not None
    assert found.endswith(reason)
    if (done.root / "labels.csv").exists():
        run_stage(done.stage)
        assert done.runs == 2
        assert why_run(done.stage) is None


@pytest.mark.parametrize(
    "change",
    [
        # Touched, copied over with equal bytes, or listed by the folder in another order.
        lambda done: os.utime(done.root / "labels.csv", ns=(1, 1)),
        lambda done: os.utime(done.root / "X" / "0.png"),
        lambda done: rewrite(done.root / "labels.csv", b"labels"),
        lambda done: (
            (done.root / "X" / "0.png").rename(done.root / "t")
            and (done.root / "t").rename(done.root / "X" / "0.png")
        ),
        lambda done: os.utime(done.output),
        # Equal settings in other types, as they come back from a file.
        set_settings({"seed": 0, "names": ["a", "b"], "in": "X"}),
        # Other things beside the outputs.
        lambda done: (done.root / "out" / "notes.txt").write_text("mine"),
    ],
)
def test_what_is_equal_is_skipped(change: Change, done: Workshop) -> None:
    change(done)
    assert why_run(done.stage) is None
    run_stage(done.stage)
    assert done.runs == 1


def test_changed_back_is_unchanged(done: Workshop) -> None:
    rewrite(done.root / "labels.csv", b"other!")
    assert why_run(done.stage) is not None
    (done.root / "labels.csv").write_bytes(b"labels")
    assert why_run(done.stage) is None


@pytest.mark.parametrize("error", [ValueError("no memory"), KeyboardInterrupt()])
def test_a_stage_that_fails_is_not_done(error: BaseException, done: Workshop) -> None:
    def fail() -> None:
        done.output.write_bytes(b"half")
        raise error

    done.settings = {"seed": 1}
    with pytest.raises(type(error)):
        run_stage(replace(done.stage, work=fail))
    assert not done.record.exists()
    # Not even for the settings that had once been done.
    done.settings = SETTINGS
    assert why_run(done.stage) == "not done yet"


def test_an_input_that_changes_while_the_stage_runs_is_noticed(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)

    def work() -> None:
        workshop.work()
        rewrite(tmp_path / "labels.csv", b"came later")

    run_stage(replace(workshop.stage, work=work))
    reason = why_run(workshop.stage)
    assert reason is not None
    assert reason.endswith("labels.csv changed")


def test_the_environment_names_versions() -> None:
    versions = environment()
    assert {"fewshot", "python", "torch", "detectron2", "numpy", "machine"} <= versions.keys()
    assert all(versions.values())


# Folders as outputs, and what a dry run says of stages that follow one that runs


def test_a_damaged_file_in_a_folder_that_a_stage_left_is_noticed(tmp_path: Path) -> None:
    """As the images of the phantom: whatever the file's time says, it is read again."""
    pictures = tmp_path / "out" / "X"

    def work() -> None:
        (pictures / "deep").mkdir(parents=True, exist_ok=True)
        for name in ("0.png", "deep/1.png"):
            (pictures / name).write_bytes(name.encode())

    stage = Stage("phantom", tmp_path / "out", {}, [], [pictures], work)
    run_stage(stage)
    assert why_run(stage) is None
    (pictures / ".0.png.x.part").write_bytes(b"of a killed writer")
    assert why_run(stage) is None
    for name in ("0.png", "deep/1.png"):
        status = (pictures / name).stat()
        (pictures / name).write_bytes(name.upper().encode())
        os.utime(pictures / name, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert why_run(stage) == f"{pictures} is not what the stage wrote"
        run_stage(stage)
    (pictures / "0.png").unlink()
    assert why_run(stage) == f"{pictures} is not what the stage wrote"


def test_a_forecast_follows_the_files_from_stage_to_stage(tmp_path: Path) -> None:
    """The soft labels' threshold changes: what reads them runs, what does not is skipped."""

    def stage(name: str, reads: str, settings: Any = None) -> Stage:
        inputs = [tmp_path / one / "file" for one in reads.split()]
        output = tmp_path / name / "file"

        def work() -> None:
            output.parent.mkdir(exist_ok=True)
            output.write_text(name + "".join(path.read_text() for path in inputs))

        return Stage(name, output.parent, settings, inputs, [output], work)

    def plan(threshold: float) -> list[Stage]:
        soft = stage("soft", "data rough", threshold)
        return [
            *(stage("data", ""), stage("rough", "data"), soft),
            *(stage("final", "data soft"), stage("predict rough", "rough")),
            stage("predict final", "final"),
        ]

    stages = plan(0.5)
    assert {reason for _, reason in forecast(stages)} == {"not done yet"}
    for one in stages:
        run_stage(one)
    assert {reason for _, reason in forecast(stages)} == {None}
    assert dict(forecast(plan(0.6))) == {
        "data": None,
        "rough": None,
        "soft": "its settings changed",
        "final": "'soft' before it runs",
        "predict rough": None,
        "predict final": "'final' before it runs",
    }
