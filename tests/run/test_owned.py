"""A run deletes what runs wrote, as their records say, and nothing else."""

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from chaos_commands import killed_at
from fewshot.errors import InputError
from fewshot.run import owned
from fewshot.run.names import RECORD, RESOLVED
from fewshot.run.stages import Stage


def stages(out: Path) -> list[Stage]:
    def stage(folder: str, outputs: Sequence[str]) -> Stage:
        paths = [out / one for one in outputs]
        return Stage(folder, out / folder, {}, {}, paths, lambda: None)

    return [
        stage("phantom", ["phantom/X_train", "phantom/groups.csv"]),
        stage("final", ["final/model.pth"]),
        stage("submit", ["submission.csv"]),
    ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run directory as a run leaves it, cut off in the training of the final model."""
    out = tmp_path / "run"
    out.mkdir()
    owned.note_outputs(out, stages(out))
    for name in (
        RESOLVED,
        "phantom/X_train/0.png",
        "phantom/groups.csv",
        "final/checkpoint.pth",
        "tensorboard/final/events.out.tfevents.1",
        "merged/.test.json.abc.fewshot.part",
    ):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    record = {"outputs": {"X_train": "1", "groups.csv": "2"}}
    (out / "phantom" / RECORD).write_text(json.dumps(record))
    return out


def test_a_run_is_emptied_to_the_last_file(out: Path) -> None:
    owned.refuse_others(out)
    owned.empty(out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "thesis.txt",
        "slices/0.png",
        "my_sam.pth",
        "phantom/notes.txt",
        "final/model.pth.bak",
        ".git",
    ],
)
def test_what_no_run_wrote_is_named_and_stays(out: Path, name: str) -> None:
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("years of work")
    with pytest.raises(InputError, match="was not written by a run") as caught:
        owned.refuse_others(out)
    assert str(caught.value).startswith(f"{out / name}: ")
    owned.empty(out)
    assert [path for path in out.rglob("*") if path.is_file()] == [out / name]


def test_a_settings_file_alone_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / RESOLVED).write_text("seed: 0")
    assert owned.is_run(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.json").write_text("made by hand")
    assert not owned.is_run(tmp_path)


def test_a_run_of_an_earlier_version_is_known_by_the_records_of_its_stages(out: Path) -> None:
    (out / owned.OWNED).unlink()
    (out / "final" / "checkpoint.pth").unlink()
    assert owned.is_run(out)
    owned.refuse_others(out)
    (out / "final" / "model.pth").write_text("whose?")
    with pytest.raises(InputError, match=r"model\.pth: was not written by a run"):
        owned.refuse_others(out)


def test_what_settings_change_stays_known(out: Path) -> None:
    owned.note_outputs(out, stages(out)[:1])
    owned.refuse_others(out)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_are_refused(out: Path, kind: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    name = "radiologists" if kind == "folder" else "submission.csv"
    (out / name).symlink_to(elsewhere if kind == "folder" else elsewhere / "kept")
    with pytest.raises(InputError, match=f"{name}: is a link"):
        owned.refuse_links(out)
    with pytest.raises(InputError, match=f"{name}: was not written"):
        owned.refuse_others(out)
    owned.empty(out)
    assert (elsewhere / "kept").read_text() == "kept"


def test_a_kill_while_emptying_can_be_continued(out: Path, tmp_path: Path) -> None:
    for point in range(100):
        copy = tmp_path / f"copy{point}"
        shutil.copytree(out, copy)
        died = killed_at(point, partial(owned.empty, copy))
        if died:
            assert owned.is_run(copy)
        owned.refuse_others(copy)
        owned.empty(copy)
        assert list(copy.iterdir()) == []
        if not died:
            assert point > 8
            return
    pytest.fail("it never ended")
