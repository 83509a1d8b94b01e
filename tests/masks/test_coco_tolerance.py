"""COCO files as other tools write them: read where they can mean one thing, named where not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.masks import rle
from fewshot.masks.coco import open_coco, read_coco, write_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.slice_set import SliceSet
from fewshot.slices.remarks import collecting

SQUARE = [20, 30, 50, 30, 50, 70, 20, 70]
AREA, BOX = 1200, [20, 30, 50, 70]


def document(**keys: Any) -> dict[str, Any]:
    """Four images with one square each, the annotations with these keys changed."""
    one = {"category_id": 1, "iscrowd": 0, "area": AREA, "bbox": [20, 30, 30, 40]}
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 96, "height": 96} for n in range(1, 5)
        ],
        "categories": [{"id": 1, "name": "liver"}],
        "annotations": [
            {"id": n, "image_id": n, **one, "segmentation": [SQUARE], **keys} for n in range(1, 5)
        ],
    }


def read(root: Path, content: Any, skipped: list[str] | None = None) -> SliceSet:
    path = root / "y.json"
    path.write_text(json.dumps(content))
    return read_coco(path, None, skipped)


def images(found: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {**found, "images": [{**one, **keys} for one in found["images"]]}


def with_ids(function: Any) -> dict[str, Any]:
    found = document()
    for one in found["images"]:
        one["id"] = function(one["id"])
    for one in found["annotations"]:
        one["image_id"] = function(one["image_id"])
    return found


MASK = np.zeros((96, 96), np.uint8, order="F")
MASK[30:70, 20:50] = 1
RUNS: list[float] = [20 * 96 + 30, *([40, 56] * 29), 40, 96 * 96 - (49 * 96 + 70)]


@pytest.mark.parametrize(
    "content",
    [
        document(),
        with_ids(str),
        with_ids(float),
        with_ids(lambda number: f"study-{number}"),
        {**with_ids(str), "annotations": document()["annotations"]},  # text here, numbers there
        images(document(), width=96.0, height="96"),
        document(id="a", **{}) | {"annotations": [{**document()["annotations"][0], "id": "a"}]},
        document(category_id="1"),
        document(iscrowd=0.0),
        document(iscrowd=None),
        document(iscrowd="0"),
        document(iscrowd=True),
        document(score=None, source=None, structure=None),
        document(bbox=None),
        document(bbox=[]),
        document(segmentation={"size": [96.0, 96.0], "counts": RUNS}),
        document(segmentation={"size": [96, 96], "counts": [float(run) for run in RUNS]}),
    ],
    ids=range(17),
)
def test_one_meaning_is_enough(tmp_path: Path, content: dict[str, Any]) -> None:
    slices = read(tmp_path, content)
    assert len(slices) == 4
    assert slices.masks
    for masks in slices.masks.values():
        assert masks.areas().tolist() == [AREA]
        assert masks.boxes.tolist() == [BOX]
        assert masks.sources == ("label",)
    expected = {1, 2, 3, 4} if type(slices.records[0].image_id) is int else set()
    assert {record.image_id for record in slices.records} in (expected, {0, 1, 2, 3})
    assert {record.file_name for record in slices.records} == {f"{n}.png" for n in expected}


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "y.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document()).encode())
    assert len(read_coco(path).masks) == 4


def test_our_own_file_may_be_given_a_byte_order_mark(tmp_path: Path) -> None:
    write_coco(tmp_path / "a.json", read(tmp_path, document()), "")
    marked = tmp_path / "b.json"
    marked.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.json").read_bytes())
    assert [len(one) for one in open_coco(marked).masks()] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("box", "expected", "said"),
    [
        ([20, 30, 30, 40], BOX, False),
        ([19.5, 29.5, 31, 41], [19.5, 29.5, 50.5, 70.5], False),  # borders, or pixels, counted
        ([0, 0, 0, 0], BOX, True),
        ([20, 30, 50, 70], BOX, True),  # corners in place of sides
        ([1, 2, 3], BOX, True),
        ([1, 2, -3, 4], BOX, True),
        ([1e300, 2, 3, 4], BOX, True),
        ("0 0 1 1", BOX, True),
    ],
)
def test_boxes_of_labels_are_those_of_their_masks(
    tmp_path: Path, box: Any, expected: list[float], said: bool
) -> None:
    with collecting() as remarks:
        slices = read(tmp_path, document(bbox=box))
    assert slices.masks_of(1).boxes.tolist() == [expected]
    assert any("taken from the masks (4: " in line for line in remarks.lines()) == said


@pytest.mark.parametrize(
    ("keys", "box", "expected"),
    [
        ({"score": 0.5}, [15, 28, 40, 45], [15, 28, 55, 73]),  # a model's own, around its mask
        ({"score": 0.5}, [20, 30, 50, 70], BOX),  # corners: out of the slice
        ({"score": 0.5}, [0, 0, 0, 0], BOX),
        ({"score": 0.5, "source": "fine"}, [0, 0, 5, 5], [0, 0, 5, 5]),  # written by us
    ],
)
def test_boxes_of_predictions_hold_their_masks(
    tmp_path: Path, keys: dict[str, Any], box: list[float], expected: list[float]
) -> None:
    assert read(tmp_path, document(bbox=box, **keys)).masks_of(1).boxes.tolist() == [expected]


BROKEN: dict[str, Any] = {
    "one point": [[48.0, 48.0]],
    "two points": [[48.0, 48.0, 49.0, 49.0]],
    "empty": [],
    "empty polygon": [[]],
    "null": None,
    "text": "b'abc'",
    "pairs": [[[20, 30], [50, 30], [50, 70]]],
    "size": {"size": [95, 96], "counts": [95 * 96]},
    "counts": {"size": [96, 96], "counts": "b'abc'"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_one_broken_annotation_is_passed_over_and_counted(tmp_path: Path, kind: str) -> None:
    content = document()
    content["annotations"].append({**content["annotations"][0], "id": 99})
    content["annotations"][-1]["segmentation"] = BROKEN[kind]
    with pytest.raises(InputError, match=r"y\.json: annotation 99: "):
        read(tmp_path, content)
    skipped: list[str] = []
    slices = read(tmp_path, content, skipped)
    assert [len(slices.masks_of(number)) for number in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert len(skipped) == 1
    assert "annotation 99: " in skipped[0]


def test_a_stray_point_beside_a_good_outline_goes_alone(tmp_path: Path) -> None:
    content = document()
    content["annotations"][1]["segmentation"] = [SQUARE, [48.0, 48.0]]
    with pytest.raises(InputError, match="at least three points"):
        read(tmp_path, content)
    skipped: list[str] = []
    assert read(tmp_path, content, skipped).masks_of(2).areas().tolist() == [AREA]
    assert skipped[0].endswith("annotation 2: 1 of its outlines have too few points")


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    content = document(segmentation=[])
    content["annotations"][0]["image_id"] = 1234
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value).endswith(
        "annotation 1: image_id is 1234, which is not among the images"
        " (wrong as well: annotations 2, 3, 4)"
    )
    skipped: list[str] = []
    assert not read(tmp_path, content, skipped).masks
    assert len(skipped) == 4


def test_an_image_without_a_size_goes_with_its_annotations(tmp_path: Path) -> None:
    content = document()
    content["images"][2]["height"] = None
    with pytest.raises(InputError, match="image 3: height is None"):
        read(tmp_path, content)
    skipped: list[str] = []
    slices = read(tmp_path, content, skipped)
    assert sorted(slices.masks) == [1, 2, 4]
    assert len(skipped) == 1


def test_masks_without_a_pixel_are_left_out_and_said(tmp_path: Path) -> None:
    content = document()
    content["annotations"].append({**content["annotations"][0], "id": 99})
    content["annotations"][-1]["segmentation"] = [[10.2, 10, 10.9, 10, 10.9, 10, 10.2, 10]]
    with collecting() as remarks:
        assert read(tmp_path, content).masks_of(1).areas().tolist() == [AREA]
    assert remarks.lines() == [
        f"masks without a pixel are left out ({tmp_path / 'y.json'}: annotation 99)"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "1.png",
        "images/1.png",
        "images\\1.png",
        "..\\..\\media\\upload\\4\\1.png",
        "../../media/1.png",
        "/data/upload/4/1.png",
        "C:\\data\\1.png",
        "C:/data/1.png",
    ],
)
def test_the_last_part_of_a_name_decides_where_the_folder_is_given(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "1.png").touch()
    content = document()
    content["images"][0]["file_name"] = name
    (tmp_path / "y.json").write_text(json.dumps(content))
    slices = read_coco(tmp_path / "y.json", tmp_path / "img")
    assert slices.path_of(slices.records[0]) == tmp_path / "img" / "1.png"


@pytest.mark.parametrize("name", ["..", "/", "a/..", "..\\", "\\", "a\\..", "."])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    content = document()
    content["images"][0]["file_name"] = name
    (tmp_path / "y.json").write_text(json.dumps(content))
    for folder in (None, tmp_path):
        with pytest.raises(InputError, match="image 1: file_name is"):
            read_coco(tmp_path / "y.json", folder)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(lambda runs: sum(runs) > 0),
    st.integers(1, 4),
)
def test_run_lists_are_packed_without_being_drawn(runs: list[int], height: int) -> None:
    runs[-1] += -sum(runs) % height
    width = sum(runs) // height
    packed = rle.check_rle({"size": [height, width], "counts": runs}, height, width, "x")
    drawn = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
    assert packed == rle.encode(drawn)
    np.testing.assert_array_equal(rle.decode(packed), drawn)


def large(masks: int, side: int) -> dict[str, Any]:
    pixels = side * side
    return {
        "images": [{"id": 3, "file_name": "3.png", "width": side, "height": side}],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": n,
                "image_id": 3,
                "category_id": 1,
                "segmentation": {"size": [side, side], "counts": [n, 1000, pixels - n - 1000]},
            }
            for n in range(1, masks + 1)
        ],
    }


def test_large_masks_in_few_bytes_cost_little_or_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is too large; the limit is 67108864 pixels"):
        read(tmp_path, large(10, 1 << 14))
    with pytest.raises(InputError, match=r"pixels of masks.* FEWSHOT_MAX_EXPANDED higher"):
        read(tmp_path, large(1000, 1 << 13))
    slices = read(tmp_path, large(20, 1 << 13))
    labels = merge_masks(slices.masks_of(3), MergeRule(0.0))
    assert np.count_nonzero(labels) == 1019


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [], "images": []}',
        '{"images": [{"id": 1, "id": 2}], "annotations": [], "categories": []}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "y.json").write_text(text)
    with pytest.raises(InputError, match=r"y\.json: .*the key '\w+' is there twice in one object"):
        read_coco(tmp_path / "y.json")
