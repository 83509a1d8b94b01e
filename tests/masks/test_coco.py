"""COCO files: what we write comes back whole, and nothing a file holds can surprise us."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools.coco import COCO
from scipy import ndimage
from skimage.draw import polygon2mask

from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, Volume, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode, encode_stack
from fewshot.text import is_plain

SIZE = 512


def blobs(count: int, seed: int, size: int = SIZE) -> NDArray[np.bool_]:
    noise = np.random.default_rng(seed).normal(size=(count, size, size))
    masks: NDArray[np.bool_] = ndimage.gaussian_filter(noise, (0, 12, 12)) > 0.01
    return masks


def predicted(image_id: int, count: int) -> SliceMasks:
    rng = np.random.default_rng(image_id)
    rles = tuple(encode_stack(blobs(count, image_id)))
    jitter = rng.normal(size=(count, 4)).astype(np.float32) * 0.2
    return SliceMasks(
        image_id,
        SIZE,
        SIZE,
        rng.random(count).astype(np.float32),
        boxes(rles) + jitter,
        rles,
        tuple(rng.choice(["rough", "steady", "fine"], count)),
    )


def labelled(image_id: int) -> SliceMasks:
    label_map = blobs(1, image_id)[0] * np.kron(
        np.random.default_rng(image_id).integers(0, 6, (8, 8)), np.ones((64, 64), dtype=np.uint8)
    )
    return SliceMasks.from_label_map(image_id, label_map)


def example(folder: Path) -> SliceSet:
    records = tuple(
        SliceRecord(
            number, f"{number}.png", SIZE, SIZE, group=f"pt_{number // 2}" if number else None
        )
        for number in range(5)
    )
    masks = {0: labelled(0), 1: predicted(1, 7), 3: labelled(3), 4: SliceMasks.empty(4, SIZE, SIZE)}
    return SliceSet(folder / "X_train", records, masks)


def assert_same(left: SliceMasks, right: SliceMasks) -> None:
    assert (left.image_id, left.height, left.width) == (right.image_id, right.height, right.width)
    assert left.rles == right.rles
    assert left.sources == right.sources
    np.testing.assert_allclose(left.scores, right.scores, atol=5e-7)
    np.testing.assert_allclose(left.boxes, right.boxes, atol=0.011)


def test_round_trip(tmp_path: Path) -> None:
    slices = example(tmp_path)

    write_coco(tmp_path / "set.json", slices, "five slices")
    again = read_coco(tmp_path / "set.json")

    assert again.records == slices.records
    assert again.images == slices.images
    for record in slices.records:
        assert_same(again.masks_of(record.image_id), slices.masks_of(record.image_id))
    np.testing.assert_array_equal(again.masks_of(0).boxes, slices.masks_of(0).boxes)
    np.testing.assert_array_equal(again.masks_of(0).scores, 1)
    assert again.path_of(again.records[2]) == tmp_path / "X_train" / "2.png"


def test_bytes_are_determined_by_the_set(tmp_path: Path) -> None:
    slices = example(tmp_path)
    turned = SliceSet(
        slices.images, slices.records[::-1], dict(reversed(list(slices.masks.items())))
    )

    write_coco(tmp_path / "a.json", slices, "five slices")
    write_coco(tmp_path / "b.json", turned, "five slices")
    write_coco(tmp_path / "c.json", read_coco(tmp_path / "a.json"), "five slices")

    first = (tmp_path / "a.json").read_bytes()
    assert (tmp_path / "b.json").read_bytes() == first
    assert (tmp_path / "c.json").read_bytes() == first


def test_pycocotools_reads_what_we_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slices = example(tmp_path)
    write_coco(tmp_path / "set.json", slices, "five slices")

    coco = COCO(str(tmp_path / "set.json"))

    capsys.readouterr()
    assert sorted(coco.getImgIds()) == [0, 1, 2, 3, 4]
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "organ"}]
    for image_id, masks in slices.masks.items():
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
        assert [entry["segmentation"] for entry in annotations] == list(masks.rles)
        assert [entry["area"] for entry in annotations] == masks.areas().tolist()
        assert ["score" in entry for entry in annotations] == [image_id == 1] * len(masks)


def test_the_text_of_a_small_file(tmp_path: Path) -> None:
    mask = np.zeros((3, 4), dtype=np.bool_)
    mask[1:, 1:3] = True
    label = SliceMasks.from_label_map(7, mask.astype(np.uint8))
    score, box = np.array([0.25], np.float32), np.array([[1, 1, 2.5, 3]], np.float32)
    soft = SliceMasks(8, 3, 4, score, box, (encode(mask),), ("fine",))
    slices = SliceSet(
        tmp_path,
        (SliceRecord(7, "a.png", 3, 4, group="p1"), SliceRecord(8, "b.png", 3, 4)),
        {7: label, 8: soft},
    )

    write_coco(tmp_path / "set.json", slices, "two slices")

    assert (tmp_path / "set.json").read_text() == (
        f"""{{
"info": {{"description": "two slices", "images": "{tmp_path}"}},
"images": [
{{"id": 7, "file_name": "a.png", "width": 4, "height": 3, "group": "p1"}},
{{"id": 8, "file_name": "b.png", "width": 4, "height": 3}}
],
"categories": [{{"id": 1, "name": "organ"}}],
"annotations": [
{{"id": 1, "image_id": 7, "category_id": 1, "segmentation": {{"size": [3, 4], "counts": "42102"}}, "area": 4, "bbox": [1.0, 1.0, 2.0, 2.0], "iscrowd": 0}},
{{"id": 2, "image_id": 8, "category_id": 1, "segmentation": {{"size": [3, 4], "counts": "42102"}}, "area": 4, "bbox": [1.0, 1.0, 1.5, 2.0], "iscrowd": 0, "score": 0.25, "source": "fine"}}
]
}}
"""  # noqa: E501
    )


def test_files_of_one_home_name_their_images_relatively(tmp_path: Path) -> None:
    """So that a run directory can be moved; a link in it is kept as such."""
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    (run / "images").mkdir(parents=True)
    (run / "images" / "train").symlink_to(example(elsewhere).images)
    slices = replace(example(tmp_path), images=run / "images" / "train", home=run)
    write_coco(run / "data" / "train.json", slices, "slices")
    read = read_coco(run / "data" / "train.json")
    write_coco(run / "predictions" / "final" / "train.json", read, "predictions")
    write_coco(elsewhere / "train.json", read, "not in the run")
    run.rename(tmp_path / "moved")
    for name, images in (
        ("moved/data/train.json", "moved/images/train"),
        ("moved/predictions/final/train.json", "moved/images/train"),
        ("elsewhere/train.json", "elsewhere/X_train"),
    ):
        assert read_coco(tmp_path / name).images == tmp_path / images


# Files of other tools.


def foreign(**annotation: Any) -> dict[str, Any]:
    entry = {
        "id": 11,
        "image_id": 3,
        "category_id": 5,
        "segmentation": {"size": [10, 12], "counts": [34, 3, 7, 3, 73]},
        **annotation,
    }
    return {
        "images": [{"id": 3, "file_name": "ct/a.png", "height": 10, "width": 12}],
        "categories": [{"id": 4, "name": "liver"}, {"id": 5, "name": "kidney"}],
        "annotations": [entry],
    }


def read(tmp_path: Path, document: Any) -> SliceSet:
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps(document))
    return read_coco(path)


def test_uncompressed_rle(tmp_path: Path) -> None:
    masks = read(tmp_path, foreign()).masks_of(3)

    expected = np.zeros((10, 12), dtype=np.bool_)
    expected[4:7, 3:5] = True
    np.testing.assert_array_equal(masks.decode(), expected[np.newaxis])
    assert masks.boxes.tolist() == [[3, 4, 5, 7]]
    assert (masks.scores.tolist(), masks.sources) == ([1.0], ("label",))


def test_polygons_are_parts_of_one_mask(tmp_path: Path) -> None:
    document = foreign(segmentation=[[1, 1, 4, 1, 4, 5, 1, 5], [8.0, 2.0, 11.0, 2.0, 11.0, 8.0]])

    masks = read(tmp_path, document).masks_of(3)

    assert len(masks) == 1
    square = np.zeros((10, 12), dtype=np.bool_)
    square[1:5, 1:4] = True
    np.testing.assert_array_equal(masks.decode()[0][:, :7], square[:, :7])
    assert masks.decode()[0][:, 8:].sum() == pytest.approx(3 * 6 / 2, abs=3)


def test_a_large_polygon_agrees_with_scikit_image(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    radius = 180 + 40 * np.sin(7 * angles)
    x, y = 256 + radius * np.cos(angles), 256 + radius * np.sin(angles)
    document = foreign(segmentation=[np.stack([x, y], axis=1).ravel().tolist()])
    document["images"][0].update(height=SIZE, width=SIZE)

    mask = read(tmp_path, document).masks_of(3).decode()[0]

    fill: Any = polygon2mask
    reference = fill((SIZE, SIZE), np.stack([y - 0.5, x - 0.5], axis=1))
    assert (mask & reference).sum() / (mask | reference).sum() > 0.995


@pytest.mark.parametrize(
    ("annotation", "score", "source"),
    [
        ({}, 1.0, "label"),
        ({"score": 0.5}, 0.5, "prediction"),
        ({"score": 1, "source": "cvat"}, 1.0, "cvat"),
        ({"source": "sam"}, 1.0, "sam"),
        ({"iscrowd": 1}, 1.0, "label"),  # how some tools say "RLE"
    ],
)
def test_scores_and_sources(
    tmp_path: Path, annotation: dict[str, Any], score: float, source: str
) -> None:
    slices = read(tmp_path, foreign(**annotation))

    assert slices.masks_of(3).scores.tolist() == [score]
    assert slices.masks_of(3).sources == (source,)
    write_coco(tmp_path / "ours.json", slices, "")
    assert_same(read_coco(tmp_path / "ours.json").masks_of(3), slices.masks_of(3))


def test_where_the_images_are(tmp_path: Path) -> None:
    document = foreign()
    assert read(tmp_path, document).images == tmp_path
    assert read(tmp_path, {**document, "info": {"year": 2026}}).images == tmp_path
    relative = {**document, "info": {"images": "X"}}
    assert read(tmp_path, relative).images == tmp_path / "X"
    assert read(tmp_path, {**document, "info": {"images": "/data/X"}}).images == Path("/data/X")
    given = read_coco(tmp_path / "foreign.json", images=Path("elsewhere"))
    assert given.path_of(given.records[0]) == Path("elsewhere/ct/a.png")


IMAGE = foreign()["images"][0]
BROKEN: list[tuple[Any, str]] = [
    ([], "is a list"),
    (3, "is 3; give a COCO file"),
    ({}, "has no images"),
    ({**foreign(), "images": {}}, "images is {}; it must be a list"),
    ({**foreign(), "images": [3]}, r"images\[0\] is 3"),
    ({**foreign(), "images": [{**IMAGE, "id": -3}]}, r"images\[0\]: id is -3"),
    ({**foreign(), "images": [{**IMAGE, "id": True}]}, r"images\[0\]: id is True"),
    ({**foreign(), "images": [{**IMAGE, "id": 2**60}]}, r"images\[0\]: id is"),
    ({**foreign(), "images": [{**IMAGE, "height": None}]}, "image 3: height is None"),
    ({**foreign(), "images": [{**IMAGE, "width": 0}]}, "image 3: width is 0"),
    ({**foreign(), "images": [{**IMAGE, "width": 10**9}]}, "image 3: .*too large"),
    ({**foreign(), "images": [{**IMAGE, "file_name": ""}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "../a.png"}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "/etc/a.png"}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "a\x00.png"}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "\ud800.png"}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "group": 7}]}, "image 3: group is 7"),
    ({**foreign(), "images": [IMAGE, IMAGE]}, "image 3: two slices have this id"),
    ({**foreign(), "images": [IMAGE, {**IMAGE, "id": 4}]}, "image 4: 'ct/a.png' is listed twice"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "C:/a.png"}]}, "image 3: file_name"),
    ({**foreign(), "images": [{**IMAGE, "file_name": "..\\a.png"}]}, "image 3: file_name"),
    ({**foreign(), "info": {"images": 5}}, "info: images is 5"),
    ({**foreign(), "info": {"images": "/etc"}}, "info.images is '/etc'"),
    ({**foreign(), "info": {"images": "/tmp/../etc/x"}}, "info.images is '/tmp/../etc/x'"),
    ({**foreign(), "info": {"images": "../../.."}}, "info.images is '../../..'"),
    ({"shapes": [], "imagePath": "a.png"}, "has no images; .* this one has 'shapes', 'imagePath'"),
    ({**foreign(), "categories": None}, "categories is None"),
    ({**foreign(), "categories": [{"name": "x"}]}, r"categories\[0\]: id is None"),
    ({**foreign(), "annotations": [[]]}, r"annotations\[0\] is \[\]"),
    ({**foreign(), "annotations": foreign()["annotations"] * 2}, "annotation 11: two annotations"),
    (foreign(id=None), r"annotations\[0\]: id is None"),
    (foreign(image_id=4), "annotation 11: image_id is 4"),
    (foreign(category_id=9), "annotation 11: category_id is 9"),
    (foreign(category_id="kidney"), "annotation 11: category_id is 'kidney'"),
    (foreign(iscrowd=2), "annotation 11: iscrowd is 2"),
    (foreign(iscrowd=[1]), r"annotation 11: iscrowd is \[1\]"),
    (foreign(structure=0), "annotation 11: structure is 0"),
    (foreign(score=1.5), "annotation 11: score is 1.5"),
    (foreign(score=float("nan")), "annotation 11: score is nan"),
    (foreign(score="0.5"), "annotation 11: score is '0.5'"),
    (foreign(source=""), "annotation 11: source is ''"),
    (foreign(segmentation=None), "annotation 11: has no segmentation; give an RLE"),
    (foreign(segmentation=7), "annotation 11: an RLE must have"),
    (foreign(segmentation=[]), "annotation 11: segmentation is empty"),
    (foreign(segmentation=[1, 1, 4, 1, 4, 5]), "annotation 11: segmentation holds 1"),
    (foreign(segmentation=[[1, 1, 4, 1]]), "annotation 11: .*at least three points"),
    (foreign(segmentation=[[1, 1, 4, 1, 4, 5, 3]]), "annotation 11: .*at least three points"),
    (foreign(segmentation=[[1, 1, 4, 1, 4, "5"]]), "annotation 11: .*coordinate '5'"),
    (foreign(segmentation=[[1, 1, 4, 1, 4, 1e9]]), "annotation 11: .*coordinate 1000000000.0"),
    (foreign(segmentation=[[0, 0, 12, 10, 0, 10] * 9999]), "annotation 11: .*outline too long"),
    (foreign(segmentation={"size": [10, 13], "counts": [130]}), "annotation 11: RLE size"),
    (foreign(segmentation={"size": [10, 12], "counts": [119]}), "annotation 11: RLE counts cover"),
    (foreign(segmentation={"size": [10**6, 10**6], "counts": "0"}), "annotation 11: RLE size"),
]


@pytest.mark.parametrize(("document", "message"), BROKEN)
def test_the_first_error_is_named(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, document)

    assert str(caught.value).startswith(f"{tmp_path / 'foreign.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"images": [}',
        "\ufeff{}",
        '{"images": [], "images": []}',
        '{"images": 1' + "0" * 5000 + "}",
        "[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "set.json").write_text(text)

    with pytest.raises(InputError, match=r"set\.json"):
        read_coco(tmp_path / "set.json")


def test_missing_files_and_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_bytes(b"\x89PNG\xff\x00")
    for path in (tmp_path / "set.json", tmp_path / "absent.json", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_coco(path)


# Anything at all in any place of a file.

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**53, 2**64, 10**300])
    | st.floats(allow_subnormal=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(
            st.sampled_from(["id", "size", "counts", "images", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON document."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        inner = []
    return [path, *(deeper for key, item in inner for deeper in places(item, (*path, key)))]


def rich_document() -> dict[str, Any]:
    document = foreign(bbox=[3, 4, 2, 3], score=0.5, source="fine", iscrowd=0, area=6)
    polygon = {"id": 12, "segmentation": [[1, 1, 4, 1, 4, 5], [6.5, 1, 9, 1, 9, 5]]}
    packed = {"id": 13, "segmentation": dict(encode(np.eye(10, 12) > 0))}
    first = document["annotations"][0]
    document["annotations"] += [{**first, **polygon}, {**first, **packed}]
    document["images"].append(
        {"id": 4, "file_name": "b.png", "height": 9, "width": 9, "group": "p"}
    )
    return {"info": {"description": "", "images": "X"}, **document}


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_gives_a_set_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    document: Any = {"document": copy.deepcopy(rich_document())}
    for _ in range(data.draw(st.integers(1, 3))):
        place: tuple[Any, ...] = data.draw(st.sampled_from(places(document["document"])))
        *way, last = ("document", *place)
        parent = document
        for key in way:
            parent = parent[key]
        if last != "document" and data.draw(st.booleans()):
            del parent[last]
        else:
            parent[last] = data.draw(ANYTHING)

    try:
        slices = read(tmp_path, document["document"])
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert isinstance(slices, SliceSet)
    for record in slices.records:
        masks = slices.masks_of(record.image_id)
        assert masks.decode().shape == (len(masks), record.height, record.width)
    write_coco(tmp_path / "again.json", slices, "what was read can be written")
    again = read_coco(tmp_path / "again.json")
    assert {record.image_id for record in again.records} == {
        record.image_id for record in slices.records
    }


# The set itself.


def test_masks_of_a_slice_without_any(tmp_path: Path) -> None:
    slices = example(tmp_path)

    assert len(slices.masks_of(2)) == 0
    assert (slices.masks_of(2).height, slices.masks_of(2).image_id) == (SIZE, 2)
    with pytest.raises(InputError, match="image 99"):
        slices.masks_of(99)


def test_subset_and_with_masks(tmp_path: Path) -> None:
    slices = example(tmp_path)

    some = slices.subset([3, 0, 2])
    assert [record.image_id for record in some.records] == [0, 2, 3]
    assert sorted(some.masks) == [0, 3]
    assert len(some) == 3
    replaced = some.with_masks([predicted(2, 4)])
    assert sorted(replaced.masks) == [2]
    assert len(replaced.masks_of(2)) == 4
    assert len(replaced.masks_of(0)) == 0


def test_a_set_that_does_not_hold_together_is_refused(tmp_path: Path) -> None:
    slices = example(tmp_path)

    with pytest.raises(InputError, match="image 42"):
        slices.subset([0, 42])
    with pytest.raises(InputError, match="image 42"):
        slices.with_masks([SliceMasks.empty(42, SIZE, SIZE)])
    with pytest.raises(InputError, match="image 0: masks are 8 x 8"):
        slices.with_masks([SliceMasks.empty(0, 8, 8)])
    with pytest.raises(InputError, match="image 1: masks are given twice"):
        slices.with_masks([SliceMasks.empty(1, SIZE, SIZE)] * 2)
    with pytest.raises(InputError, match="image 0: two slices"):
        SliceSet(tmp_path, slices.records[:1] * 2, {})


def stacked(folder: Path) -> SliceSet:
    affine = ((-0.7, 0.0, 0.0, 90.5), (0.0, 0.8, 0.0, -1e-3), (0.0, 0.1, 3.0, 7.0), (0, 0, 0, 1.0))
    volumes = {"ct": Volume((20, 30, 5), 2, affine, "ct.nii.gz")}
    records = tuple(
        SliceRecord(
            n,
            f"{n}.png",
            30,
            20,
            group="pt",
            volume="ct",
            index=n,
            spacing=(0.8, 0.7),
            position=7 + 3.0 * n,
        )
        for n in range(5)
    )
    return SliceSet(folder, records, {}, volumes)


def test_places_in_volumes_come_back(tmp_path: Path) -> None:
    slices = stacked(tmp_path)
    write_coco(tmp_path / "a.json", slices, "volume")
    back = read_coco(tmp_path / "a.json")
    assert back.records == slices.records
    assert back.volumes == slices.volumes
    assert back.subset([1]).volumes == back.with_masks([]).volumes == slices.volumes


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("images", 0, "index"), 5, "image 0: index 5 is outside"),
        (("images", 0, "index"), 1, "image 1: two slices are slice 1 of 'ct'"),
        (("images", 0, "index"), None, "image 0: volume 'ct' .* has no index"),
        (("images", 0, "index"), -1, "image 0: index is -1"),
        (("images", 0, "volume"), "mr", "image 0: volume 'mr' is not described"),
        (("images", 0, "volume"), [], r"image 0: volume is \[\]"),
        (("images", 0, "height"), 31, "image 0: is 31 x 20"),
        (("images", 0, "spacing"), [1], "image 0: spacing"),
        (("images", 0, "spacing"), [0, 1], "image 0: spacing"),
        (("images", 0, "spacing"), ["1", 1], "image 0: spacing"),
        (("images", 0, "position"), "top", "image 0: position"),
        (("info", "volumes"), [], r"info.volumes is \[\]"),
        (("info", "volumes", "ct"), 3, "volume 'ct': is 3"),
        (("info", "volumes", "ct", "axis"), 3, "volume 'ct': .*axis is 3"),
        (("info", "volumes", "ct", "shape"), [20, 30], "volume 'ct': shape"),
        (("info", "volumes", "ct", "shape"), [20, 30, 0], "volume 'ct': .*shape"),
        (("info", "volumes", "ct", "affine"), [[1, 0, 0, 0]], "volume 'ct': affine"),
        (("info", "volumes", "ct", "affine"), [[0, 0, 0, 0]] * 4, "volume 'ct': .*invertible"),
        (("info", "volumes", "ct", "affine", 0, 0), float("nan"), "volume 'ct': affine is nan"),
        (("info", "volumes", "ct", "source"), "", "volume 'ct': source"),
    ],
)
def test_places_that_cannot_be(
    tmp_path: Path, keys: tuple[Any, ...], value: object, message: str
) -> None:
    path = tmp_path / "a.json"
    write_coco(path, stacked(tmp_path), "volume")
    document = json.loads(path.read_text())
    entry = document
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=message) as caught:
        read_coco(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("evil", ["\x1b[31m", "a\nb", "\x9b", "\u2028", "\u202e", "\udcff"])
@pytest.mark.parametrize("where", ["file_name", "group", "volume"])
def test_names_with_control_characters_are_neither_written_nor_read(
    where: str, evil: str, tmp_path: Path
) -> None:
    unit = tuple(tuple(map(float, row)) for row in np.eye(4))
    volumes = {evil: Volume((8, 8, 1), 2, unit, "x")} if where == "volume" else {}
    name = evil if where == "file_name" else "0.png"
    record = SliceRecord(0, name, 8, 8, group=evil if where == "group" else None)
    with pytest.raises(InputError, match="control characters"):
        write_coco(tmp_path / "a.json", SliceSet(tmp_path, (record,), {}, volumes), "x")
    assert list(tmp_path.iterdir()) == []
    entry = {"id": 0, "file_name": name, "width": 8, "height": 8}
    entry |= {"group": evil} if where == "group" else {}
    info: dict[str, Any] = {"volumes": {evil: {}}} if where == "volume" else {}
    document = {"info": info, "images": [entry], "annotations": [], "categories": []}
    (tmp_path / "b.json").write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        read_coco(tmp_path / "b.json")
    assert is_plain(str(caught.value))
