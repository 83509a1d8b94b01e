"""Calling commands as a user does, and a folder of good data for tests to use or to break."""

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fewshot.cli.app import main
from fewshot.config.tree import PhantomData
from fewshot.files import write_json
from fewshot.importing import datasets
from fewshot.run import owned
from tests.cli.writes import is_careful, written

Call = Callable[..., tuple[int, str, str]]

RUN = """\
data:
  train_images: X_train
  train_labels: Y_train.csv.gz
  groups: groups.csv
  test_images: X_test
  test_labels: Y_test.csv.gz
device: cpu
detector: {batch_size: 2}
training: {evaluation_period: 0}
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 2, score_threshold: 0.06}
  - {name: steady, learning_rate: 0.001, iterations: 2, score_threshold: 0.06}
  - {name: fine, learning_rate: 0.0005, iterations: 3, score_threshold: 0.06}
final: {learning_rate: 0.001, iterations: 3}
"""


@pytest.fixture
def fewshot(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`fewshot(*arguments)` → exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fewshot", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop, written() as paths:
            main()
        assert [path for path in paths if not is_careful(path)] == []
        captured = capfd.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, captured.out, captured.err

    return call


@pytest.fixture
def refused(fewshot: Call, work: Path) -> Callable[[str, Iterable[str]], None]:
    """`refused("command --with options", words)` holds a refusal to what all of them promise.

    Exit code 2, one line of error that has the words, and nothing new on the disk.
    """

    def check(command: str, words: Iterable[str]) -> None:
        before = everything(work.parent)
        code, out, err = fewshot(*command.split())
        assert (code, out) == (2, "")
        *before_it, last = err.splitlines()
        assert last.startswith("error: ")
        # What was read and used may be told before.
        assert not [line for line in before_it if line.startswith(("error", "Traceback"))], err
        for word in words:
            assert word in err
        assert everything(work.parent) == before

    return check


def everything(folder: Path) -> dict[Path, bytes | None]:
    """Return what is on the disk below a folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(scope="session")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom in the challenge's form, its settings `run.yaml`, and its COCO files in `data/`."""
    folder = tmp_path_factory.mktemp("challenge")
    datasets.make_phantom(PhantomData(size=64, labelled=6, unlabelled=4, test=3), folder)
    files = datasets.TrainingFiles(
        folder / "X_train", folder / "Y_train.csv.gz", folder / "groups.csv"
    )
    datasets.write_datasets(datasets.read_training(files, 0.2, 0), folder / "data")
    (folder / "run.yaml").write_text(RUN)
    return folder


def note_run(folder: Path, *names: str) -> None:
    """Write down that a run wrote files of these names to a folder."""
    write_json(folder / owned.OWNED, {"form": owned.FORM, "paths": names})


@pytest.fixture
def work(challenge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of `challenge`, with an old run in `old/`."""
    folder = tmp_path / "work"
    shutil.copytree(challenge, folder)
    (folder / "old").mkdir()
    (folder / "old" / "config.resolved.yaml").write_text("seed: 0\n")
    (folder / "old" / "submission.csv").write_text("weeks of work\n")
    note_run(folder / "old", "config.resolved.yaml", "submission.csv")
    monkeypatch.chdir(folder)
    return folder
