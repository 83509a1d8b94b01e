"""A label PNG is the merged label map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.export.forms import overlapping, write_label_pngs
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack


@pytest.fixture
def predicted(miniature: SliceSet) -> SliceSet:
    """The miniature's masks with scores, and on each slice a weak mask over its upper half."""

    def predict(image_id: int) -> SliceMasks:
        labels = miniature.masks_of(image_id).decode()
        half = np.zeros((1, 64, 64), bool)
        half[:, :32] = True
        rles = tuple(encode_stack(np.concatenate([labels, half])))
        scores = np.linspace(0.9, 0.2, len(rles), dtype=np.float32)
        return SliceMasks(image_id, 64, 64, scores, boxes(rles), rles, ("m",) * len(rles))

    return miniature.with_masks(predict(record.image_id) for record in miniature.records)


@pytest.mark.parametrize(
    "rule", [MergeRule(0.0), MergeRule(0.5), MergeRule(0.3, 0, "nearest"), MergeRule(1.0)]
)
def test_a_label_png_is_the_merged_map(
    predicted: SliceSet, tmp_path: Path, rule: MergeRule
) -> None:
    files = write_label_pngs(tmp_path, predicted, rule)
    assert [path.name for path in files] == [record.file_name for record in predicted.records]
    for path, record in zip(files, predicted.records, strict=True):
        with Image.open(path) as image:
            assert (image.mode, image.format) == ("L", "PNG")
            found = np.asarray(image)
        expected = merge_masks(predicted.masks_of(record.image_id), rule)
        np.testing.assert_array_equal(found, expected)


def test_labels_come_back_as_the_same_regions(miniature: SliceSet, tmp_path: Path) -> None:
    files = write_label_pngs(tmp_path, miniature, MergeRule(0.0))
    for path, record in zip(files, miniature.records, strict=True):
        with Image.open(path) as image:
            back = SliceMasks.from_label_map(record.image_id, np.asarray(image))
        counts = sorted(rle["counts"] for rle in miniature.masks_of(record.image_id).rles)
        assert sorted(rle["counts"] for rle in back.rles) == counts


def test_overlaps_are_counted_among_the_masks_that_are_used(predicted: SliceSet) -> None:
    # The last slice has one mask alone, and the weak mask is under 0.3 everywhere.
    assert overlapping(predicted, MergeRule(0.0)) == 5
    assert overlapping(predicted, MergeRule(0.3)) == 0


def test_names_keep_their_folders_and_may_not_collide(miniature: SliceSet, tmp_path: Path) -> None:
    def named(*names: str) -> SliceSet:
        records = tuple(
            replace(record, file_name=name)
            for record, name in zip(miniature.records, names, strict=False)
        )
        return replace(miniature, records=records, masks={})

    files = write_label_pngs(tmp_path, named("a/1.jpg", "b/1.jpg", "c.1.tif", "d"), MergeRule())
    found = [path.relative_to(tmp_path).as_posix() for path in files]
    assert found == ["a/1.png", "b/1.png", "c.1.png", "d.png"]
    with pytest.raises(InputError, match=r"'3\.jpg' and '3\.png' would both be '3\.png'"):
        write_label_pngs(tmp_path / "other", named("3.png", "3.jpg"), MergeRule())
    with pytest.raises(InputError, match=r"image 0: '\.' is no file name"):
        write_label_pngs(tmp_path / "other", named("."), MergeRule())
    assert not (tmp_path / "other").exists()
