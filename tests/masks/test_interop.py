"""Soft labels and predictions as other tools read them: pycocotools and supervision."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from fewshot.masks.coco import SliceRecord, SliceSet, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import image_size, write_image
from fewshot.slices.phantom import phantom_slice

SIZE = 256


@pytest.fixture(scope="module")
def soft_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft labels of three slices, one of them without any, with overlaps and a hole."""
    folder = tmp_path_factory.mktemp("interop")
    records, masks = [], []
    for number in range(3):
        image, label_map = phantom_slice(np.random.default_rng(number), SIZE)
        write_image(folder / "images" / f"{number}.png", image)
        records.append(SliceRecord(number, f"{number}.png", SIZE, SIZE, group="p1"))
        stack = SliceMasks.from_label_map(number, label_map).decode()
        ring = stack[0] | np.roll(stack[0], 9, axis=1)
        ring[SIZE // 2 - 3 : SIZE // 2 + 3, SIZE // 2 - 3 : SIZE // 2 + 3] = False
        stack = np.concatenate([stack, ring[np.newaxis]])
        scores = np.linspace(0.7, 1, len(stack)).astype(np.float32)
        masks.append(
            with_boxes(
                SliceMasks.from_stack(
                    number, stack, scores, np.zeros((len(stack), 4), np.float32), "fine"
                )
            )
        )
    soft = SliceSet(folder / "images", tuple(records), {}).with_masks(masks[:2])
    write_coco(folder / "annotations.json", soft, "soft labels")
    return folder / "annotations.json"


def with_boxes(masks: SliceMasks) -> SliceMasks:
    from fewshot.masks import rle

    return SliceMasks(
        masks.image_id,
        masks.height,
        masks.width,
        masks.scores,
        rle.boxes(masks.rles),
        masks.rles,
        masks.sources,
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_same_masks(soft_file: Path) -> None:
    ours = read_coco(soft_file)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(str(soft_file))
    assert len(theirs.getImgIds()) == 3
    for record in ours.records:
        annotations = theirs.loadAnns(theirs.getAnnIds(imgIds=[record.image_id]))
        masks = ours.masks_of(record.image_id)
        assert len(annotations) == len(masks)
        for annotation, mask, score in zip(annotations, masks.decode(), masks.scores, strict=True):
            np.testing.assert_array_equal(theirs.annToMask(annotation), mask)
            assert annotation["area"] == mask.sum()
            assert annotation["score"] == pytest.approx(float(score), abs=1e-6)


def test_pycocotools_takes_predictions_as_results(soft_file: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(soft_file))
        results = truth.loadRes(json.loads(soft_file.read_text())["annotations"])
    assert len(results.getAnnIds()) == len(truth.getAnnIds())


def test_supervision_reads_the_same_masks(soft_file: Path) -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    ours = read_coco(soft_file)
    dataset = supervision.DetectionDataset.from_coco(
        images_directory_path=str(soft_file.parent / "images"),
        annotations_path=str(soft_file),
        force_masks=True,
    )
    assert dataset.classes == ["organ"]
    assert len(dataset) == 3
    for path, image, detections in dataset:
        record = next(one for one in ours.records if one.file_name == Path(path).name)
        masks = ours.masks_of(record.image_id)
        assert image.shape == (SIZE, SIZE, 3)
        assert len(detections) == len(masks)
        if len(masks):
            np.testing.assert_array_equal(detections.mask, masks.decode())
            np.testing.assert_allclose(detections.xyxy, masks.boxes, atol=0.01)


def test_cvat_and_fiftyone_find_what_their_importers_look_for(soft_file: Path) -> None:
    """COCO 1.0 of CVAT and FiftyOne's COCODetectionDataset read these keys, with these types."""
    content = json.loads(soft_file.read_text())
    images = {image["id"]: image for image in content["images"]}
    for image in images.values():
        path = soft_file.parent / "images" / image["file_name"]
        assert image_size(path) == (image["height"], image["width"])
    assert content["categories"] == [{"id": 1, "name": "organ"}]
    assert len({annotation["id"] for annotation in content["annotations"]}) == len(
        content["annotations"]
    )
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        assert annotation["category_id"] == 1
        assert annotation["iscrowd"] == 0
        assert annotation["segmentation"]["size"] == [image["height"], image["width"]]
        assert isinstance(annotation["segmentation"]["counts"], str)
        x, y, width, height = annotation["bbox"]
        assert min(x, y) >= 0
        assert x + width <= image["width"]
        assert y + height <= image["height"]
