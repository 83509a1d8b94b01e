"""The run directory: what holds is skipped, what changed runs again, and the reason is told."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import fewshot
from fewshot.code_digest import PackageCode
from fewshot.files import sha256_file
from fewshot.run.names import RECORD
from fewshot.run.stages import Stage, StageRunner, environment, in_order

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
        self.inputs = {"data.train_images": self.root / "X", "labels.csv": self.root / "labels.csv"}
        self.code = self.root / "fewshot"
        self.code.mkdir()
        (self.code / "masks.py").write_text("")
        (self.code / "report.py").write_text("")

    @property
    def output(self) -> Path:
        return self.root / "out" / "train.json"

    @property
    def record(self) -> Path:
        return self.root / "out" / RECORD

    @property
    def stage(self) -> Stage:
        folder = self.root / "out"
        return Stage(
            name="data",
            folder=folder,
            settings=self.settings,
            inputs=self.inputs,
            outputs=[self.output],
            work=self.work,
            modules=["fewshot.masks"],
        )

    def why(self) -> str | None:
        return StageRunner(PackageCode(self.code)).why_run(self.stage)

    def run(self) -> None:
        StageRunner(PackageCode(self.code)).run(self.stage)

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
    workshop.run()
    return workshop


def rewrite(path: Path, content: bytes) -> None:
    """Write other bytes, as a user would some time later."""
    path.write_bytes(content)
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def test_a_stage_runs_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workshop = Workshop(tmp_path)
    assert workshop.why() == "not done yet"
    workshop.run()
    assert workshop.runs == 1
    assert workshop.why() is None
    workshop.run()
    assert workshop.runs == 1
    assert capsys.readouterr().err.splitlines() == [
        "[data] runs: not done yet",
        "[data] skipped: done and unchanged",
    ]


def test_the_record_says_what_was_done_from_what(done: Workshop) -> None:
    record = json.loads(done.record.read_text())
    assert record["stage"] == "data"
    assert record["settings"] == {"seed": 0, "names": ["a", "b"], "in": "X"}
    assert list(record["inputs"]) == ["data.train_images", "labels.csv"]
    assert record["inputs"]["labels.csv"] == sha256_file(done.root / "labels.csv")
    assert list(record["code"]) == ["masks.py"]
    assert str(done.root) not in done.record.read_text()
    assert record["outputs"] == {"train.json": sha256_file(done.output)}
    assert record["environment"]["fewshot"] == fewshot.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d", record["started"])
    assert record["seconds"] >= 0
    assert record["cpu_seconds"] >= 0
    assert record["peak_memory_mb"] > 1


Change = Callable[[Workshop], object]


def set_settings(value: Any) -> Change:
    return lambda done: setattr(done, "settings", value)


def set_inputs(*names: str) -> Change:
    roles = {"X": "data.train_images"}
    inputs = {roles.get(name, name): name for name in names}
    return lambda done: setattr(
        done, "inputs", {role: done.root / name for role, name in inputs.items()}
    )


def move_data(done: Workshop) -> None:
    (done.root / "labels.csv").rename(done.root / "moved.csv")
    done.inputs = {"labels.csv": done.root / "moved.csv", "data.train_images": done.root / "X"}


def corrupt(content: str) -> Change:
    return lambda done: done.record.write_text(content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # Settings, down to one value.
        (set_settings({"seed": 1, "names": ["a", "b"], "in": "X"}), "its settings changed (seed)"),
        (set_settings({"seed": 0, "names": ["b", "a"]}), "its settings changed (names, in)"),
        (set_settings({**SETTINGS, "a": 1, "b": 2, "c": 3, "d": 4}), "(a, b, c and 1 more)"),
        (set_settings({}), "its settings changed (seed, names, in)"),
        # Bytes of an input, of a file in a folder, and which files a folder holds.
        (lambda done: rewrite(done.root / "labels.csv", b"other"), "labels.csv changed"),
        (lambda done: rewrite(done.root / "labels.csv", b"lobels"), "labels.csv changed"),
        (lambda done: rewrite(done.root / "X" / "1.png", b"eno"), "data.train_images changed"),
        (lambda done: rewrite(done.root / "X" / "2.png", b"two"), "data.train_images changed"),
        (lambda done: (done.root / "X" / "1.png").unlink(), "data.train_images changed"),
        (
            lambda done: (done.root / "X" / "1.png").rename(done.root / "X" / "3.png"),
            "data.train_images changed",
        ),
        (lambda done: (done.root / "labels.csv").unlink(), "labels.csv changed"),
        # Which inputs there are: one more, one less (groups taken out of the settings), swapped.
        (set_inputs("X", "labels.csv", "groups.csv"), "groups.csv changed"),
        (set_inputs("X"), "it reads other files than before"),
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
        # The code it uses, and the records of the first release, which knew only all code at once.
        (lambda done: (done.code / "masks.py").write_text("x = 1"), "it uses changed (masks.py)"),
        (lambda done: done.edit_record(code={}), "the code it uses changed (masks.py)"),
        (lambda done: done.edit_record(code=["masks.py"]), "stage.json is damaged"),
        (
            lambda done: done.edit_record(code="0" * 64, environment={"fewshot": "0.1.0"}),
            "done by fewshot 0.1.0, whose records do not say which code a stage used",
        ),
        (lambda done: done.edit_record(code="0" * 64, environment=None), "stage.json is damaged"),
    ],
)
def test_what_changed_is_told_and_done_again(change: Change, reason: str, done: Workshop) -> None:
    change(done)
    found = done.why()
    assert found is not None
    assert found.endswith(reason)
    if (done.root / "labels.csv").exists():
        done.run()
        assert done.runs == 2
        assert done.why() is None


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
        # The same inputs from elsewhere, in another order.
        move_data,
        # Code that it does not use.
        lambda done: (done.code / "report.py").write_text("x = 1"),
        # Other things beside the outputs.
        lambda done: (done.root / "out" / "notes.txt").write_text("mine"),
    ],
)
def test_what_is_equal_is_skipped(change: Change, done: Workshop) -> None:
    change(done)
    assert done.why() is None
    if (done.root / "labels.csv").exists():
        done.run()
    assert done.runs == 1


def test_changed_back_is_unchanged(done: Workshop) -> None:
    rewrite(done.root / "labels.csv", b"other!")
    assert done.why() is not None
    (done.root / "labels.csv").write_bytes(b"labels")
    assert done.why() is None


@pytest.mark.parametrize("error", [ValueError("no memory"), KeyboardInterrupt()])
def test_a_stage_that_fails_is_not_done(error: BaseException, done: Workshop) -> None:
    def fail() -> None:
        done.output.write_bytes(b"half")
        raise error

    done.settings = {"seed": 1}
    with pytest.raises(type(error)):
        StageRunner().run(replace(done.stage, work=fail))
    assert not done.record.exists()
    # Not even for the settings that had once been done.
    done.settings = SETTINGS
    assert done.why() == "not done yet"


def test_an_input_that_changes_while_the_stage_runs_is_noticed(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)

    def work() -> None:
        workshop.work()
        rewrite(tmp_path / "labels.csv", b"came later")

    StageRunner(PackageCode(workshop.code)).run(replace(workshop.stage, work=work))
    reason = workshop.why()
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

    stage, runner = Stage("phantom", tmp_path / "out", {}, {}, [pictures], work), StageRunner()
    runner.run(stage)
    assert runner.why_run(stage) is None
    (pictures / ".0.png.x.part").write_bytes(b"of a killed writer")
    assert runner.why_run(stage) is None
    for name in ("0.png", "deep/1.png"):
        status = (pictures / name).stat()
        (pictures / name).write_bytes(name.upper().encode())
        os.utime(pictures / name, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert runner.why_run(stage) == f"{pictures} is not what the stage wrote"
        runner.run(stage)
    (pictures / "0.png").unlink()
    assert runner.why_run(stage) == f"{pictures} is not what the stage wrote"


def test_a_forecast_follows_the_files_from_stage_to_stage(tmp_path: Path) -> None:
    """The soft labels' threshold changes: what reads them runs, what does not is skipped."""

    def stage(name: str, reads: str, threshold: float = 0) -> Stage:
        inputs = {one: tmp_path / one / "file" for one in reads.split()}
        output = tmp_path / name / "file"

        def work() -> None:
            output.parent.mkdir(exist_ok=True)
            output.write_text(name + "".join(path.read_text() for path in inputs.values()))

        return Stage(name, output.parent, {"threshold": threshold}, inputs, [output], work)

    def plan(threshold: float) -> list[Stage]:
        soft = stage("soft", "data rough", threshold)
        return [
            *(stage("data", ""), stage("rough", "data"), soft),
            *(stage("final", "data soft"), stage("predict rough", "rough")),
            stage("predict final", "final"),
        ]

    stages, runner = plan(0.5), StageRunner()
    assert [one.name for one in in_order(stages[::-1])] == [
        *("data", "rough", "predict rough", "soft", "final", "predict final")
    ]
    assert {reason for _, reason in runner.forecast(stages)} == {"not done yet"}
    for one in stages:
        runner.run(one)
    assert {reason for _, reason in runner.forecast(stages)} == {None}
    assert dict(runner.forecast(plan(0.6))) == {
        "data": None,
        "rough": None,
        "soft": "its settings changed (threshold)",
        "final": "'soft' before it runs",
        "predict rough": None,
        "predict final": "'final' before it runs",
    }


def test_a_circle_of_stages_is_refused(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("a", "b")}
    one = Stage("one", tmp_path, {}, {"a": files["a"]}, [files["b"]], lambda: None)
    two = Stage("two", tmp_path, {}, {"b": files["b"]}, [files["a"]], lambda: None)
    with pytest.raises(ValueError, match=r"wait for one another: \['one', 'two'\]"):
        in_order([one, two])
