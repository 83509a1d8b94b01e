"""Where a run's files lie, and how it finds the images that lie elsewhere."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from fewshot.config.load import parse_settings
from fewshot.run.layout import RunLayout

TRAIN = "data.train_images"


def layout_on(data: Path, run: Path, **more: Any) -> RunLayout:
    """Return the layout of a run on a user's files, of which only the images are there."""
    for part in ("train", "test"):
        (data / part).mkdir(parents=True, exist_ok=True)
    files = {
        "train_images": str(data / "train"),
        "train_labels": str(data / "labels.csv"),
        "test_images": str(data / "test"),
    }
    run.mkdir(exist_ok=True)
    return RunLayout(parse_settings({"data": {**files, **more}}), run)


def test_images_are_found_through_links_that_follow_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    layout = layout_on(tmp_path / "data", run)
    assert layout.image_folder(TRAIN) == tmp_path / "data" / "train"
    layout.link_images()
    layout.link_images()
    assert layout.image_folder(TRAIN) == run / "images" / "train"
    (tmp_path / "data").rename(tmp_path / "mounted")
    elsewhere = layout_on(tmp_path / "mounted", run)
    assert elsewhere.image_folder(TRAIN) == tmp_path / "mounted" / "train"
    elsewhere.link_images()
    assert elsewhere.image_folder(TRAIN) == run / "images" / "train"
    assert (run / "images" / "train").resolve() == tmp_path / "mounted" / "train"


def test_a_copy_of_the_images_in_the_links_place_is_left_alone(tmp_path: Path) -> None:
    """As copying a run with what its links point at makes one."""
    run = tmp_path / "run"
    layout = layout_on(tmp_path / "data", run)
    (run / "images" / "train").mkdir(parents=True)
    (run / "images" / "train" / "0.png").write_bytes(b"the only copy")
    layout.link_images()
    assert (run / "images" / "train" / "0.png").is_file()
    assert layout.image_folder(TRAIN) == tmp_path / "data" / "train"
    shutil.rmtree(tmp_path / "data")
    (run / "images" / "test").unlink()
    own = layout_on(run / "images", run)
    own.link_images()
    assert own.image_folder(TRAIN) == run / "images" / "train"


def test_without_links_the_images_are_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no links on this file system")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    layout = layout_on(tmp_path / "data", tmp_path / "run")
    layout.link_images()
    assert layout.image_folder(TRAIN) == tmp_path / "data" / "train"


@pytest.mark.parametrize(
    ("more", "roles", "off"),
    [
        ({}, {"data.train_images", "data.train_labels", "data.test_images"}, []),
        (
            {"groups": "none", "test_groups": "patients.csv"},
            {"data.train_images", "data.train_labels", "data.test_images", "data.test_groups"},
            ["groups"],
        ),
    ],
)
def test_inputs_go_by_the_settings_that_name_them(
    more: dict[str, Any], roles: set[str], off: list[str], tmp_path: Path
) -> None:
    layout = layout_on(tmp_path / "data", tmp_path / "run", **more)
    assert set(layout.source_files) == roles
    assert layout.groups_off == off
    assert layout.files([layout.train]) == {"data/train.json": layout.train}


def test_a_phantom_lies_in_the_run(tmp_path: Path) -> None:
    layout = RunLayout(parse_settings({"data": {"phantom": {}}}), tmp_path)
    layout.link_images()
    assert not (tmp_path / "images").exists()
    assert layout.image_folder(TRAIN) == tmp_path / "phantom" / "X_train"
