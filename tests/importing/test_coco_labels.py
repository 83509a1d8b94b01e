"""The masks of a COCO file find their slices; what is not there is said, passed over or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.importing.slices import Imported, ImportOptions, import_slices

SQUARE = [20, 30, 50, 30, 50, 70, 20, 70]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for index in range(4):
        Image.fromarray(np.full((96, 80), index, np.uint8)).save(tmp_path / f"img/{index}.png")
    return tmp_path


def document(*names: str, **image: Any) -> dict[str, Any]:
    one = {"category_id": 1, "segmentation": [SQUARE]}
    return {
        "images": [
            {"id": n, "file_name": name, "width": 80, "height": 96, **image}
            for n, name in enumerate(names)
        ],
        "categories": [{"id": 1}],
        "annotations": [{"id": n, "image_id": n, **one} for n in range(len(names))],
    }


def read(folder: Path, content: dict[str, Any], skip_bad: bool = False) -> Imported:
    (folder / "y.json").write_text(json.dumps(content))
    options = ImportOptions(skip_bad=skip_bad)
    return import_slices(folder / "img", folder / "y.json", None, options)


FOUR = ("0.png", "1.png", "2.png", "3.png")


@pytest.mark.parametrize(
    "before", ["", "images/", "images\\", "../../media/", "..\\..\\media\\", "/data/", "C:\\x\\"]
)
def test_the_last_part_of_a_name_decides(folder: Path, before: str) -> None:
    imported = read(folder, document(*(before + name for name in FOUR)))
    assert sorted(imported.slices.masks) == [0, 1, 2, 3]
    assert not imported.remarks


def test_images_that_are_not_there_do_no_harm_without_annotations(folder: Path) -> None:
    content = document(*FOUR, "other.png")
    content["annotations"].pop()
    imported = read(folder, content)
    assert len(imported.slices.masks) == 4
    assert imported.remarks == (
        f"{folder / 'y.json'} lists images that are not there, without annotations (other.png)",
    )


def test_annotated_images_that_are_not_there_are_passed_over_when_asked(folder: Path) -> None:
    content = document(*FOUR, "other.png")
    with pytest.raises(
        InputError,
        match=r"no image for 'other\.png', which has .*; add it, or fewshot convert --skip",
    ):
        read(folder, content)
    imported = read(folder, content, skip_bad=True)
    assert len(imported.slices.masks) == 4
    assert "no image for 'other.png'" in imported.skipped[0]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_file_of_other_images_altogether_is_refused(folder: Path, skip_bad: bool) -> None:
    with pytest.raises(InputError, match=r"no image for 'a\.png', 'b\.png'; the images are '0', "):
        read(folder, document("a.png", "b.png"), skip_bad)


def test_another_size_is_refused_or_passed_over_with_a_hint_at_exif(folder: Path) -> None:
    content = document("0.png", "1.png")
    content["images"][1].update(width=96, height=80)
    with pytest.raises(InputError, match=r"image 1 is 80 x 96, 1\.png is 96 x 80 .* by its EXIF"):
        read(folder, content)
    imported = read(folder, content, skip_bad=True)
    assert list(imported.slices.masks) == [0]
    assert "1.png is 96 x 80" in imported.skipped[0]


def test_two_images_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"image 1: '0\.png' is listed twice"):
        read(folder, document("a/0.png", "b/0.png"))


def test_broken_annotations_are_passed_over_when_asked(folder: Path) -> None:
    content = document(*FOUR)
    content["annotations"][1]["segmentation"] = []
    content["annotations"][2]["category_id"] = 7
    with pytest.raises(
        InputError, match=r"annotation .*\(wrong as well: .*\); fewshot convert --skip"
    ):
        read(folder, content)
    imported = read(folder, content, skip_bad=True)
    assert sorted(imported.slices.masks) == [0, 3]
    assert len(imported.skipped) == 2


def test_names_that_look_alike_are_alike(folder: Path) -> None:
    Image.fromarray(np.zeros((96, 80), np.uint8)).save(folder / "img" / "Mu\u0308ller.png")
    assert list(read(folder, document("M\u00fcller.png")).slices.masks) == [4]


def test_a_file_of_which_nothing_is_left_is_refused(folder: Path) -> None:
    content = document(*FOUR)
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    with pytest.raises(InputError, match="no annotation is left to read; the first: "):
        read(folder, content, skip_bad=True)
