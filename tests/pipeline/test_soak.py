"""Memory does not grow with the number of slices: predictions, merging and submissions stream."""

import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fewshot.config.network import ScheduleSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.detector import prediction
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, open_coco, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.pipeline import training
from fewshot.pipeline.prediction import predict
from fewshot.training.job import TrainingJob

SIZE, FEW, MANY = 96, 500, 5000
# The label maps of the slices between FEW and MANY would be 42 MB, their masks four times that.
MOST_GROWTH_MB = 36

SOAK = """\
import json, resource, sys
from pathlib import Path
import numpy as np
from fewshot.masks.coco import SliceRecord, SliceSet, open_coco, write_masks
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes
from fewshot.pipeline.merging import merge
from fewshot.pipeline.submission import submit
from fewshot.slices.phantom import phantom_slice

size, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
maps = [phantom_slice(np.random.default_rng(seed), size)[1] for seed in range(12)]
stacks = [np.stack([one == label for label in np.unique(one)[1:5]]) for one in maps]
records = tuple(SliceRecord(n, f"{n}.png", size, size) for n in range(count))
slices = SliceSet(folder, records, {})

def predictions():
    for number in range(count):
        masks = np.roll(stacks[number % len(stacks)], number, axis=1 + number % 2)
        scores = np.linspace(0.9, 0.3, len(masks), dtype=np.float32)
        boxes = np.zeros((len(masks), 4), dtype=np.float32)
        yield SliceMasks.from_stack(number, masks, scores, boxes, "final")

write_masks(folder / "predictions.json", slices, predictions(), "soak")
merge(folder / "predictions.json", MergeRule(0.4), folder / "merged.json")
submit(folder / "merged.json", folder / "submission.csv")
print(json.dumps({
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "masks": sum(len(one) for one in open_coco(folder / "merged.json").masks()),
    "bytes": (folder / "submission.csv").stat().st_size,
}))
"""


def soak(count: int, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SOAK, str(SIZE), str(count), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_ten_times_the_slices_in_the_same_memory(tmp_path: Path) -> None:
    few, many = soak(FEW, tmp_path / "few"), soak(MANY, tmp_path / "many")
    assert many["masks"] > 9 * few["masks"] > 0
    assert many["bytes"] > 2 * SIZE * SIZE * MANY
    assert many["peak_mb"] - few["peak_mb"] < MOST_GROWTH_MB, (few, many)


@pytest.mark.slow
def test_predictions_are_written_as_they_come(
    miniature: SliceSet,
    small_detector: DetectorSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With real Detectron2: no more slices' masks are alive than one batch has."""
    write_coco(tmp_path / "train.json", miniature, "train")
    detector = small_detector.model_copy(update={"prediction_batch_size": 2, "max_masks": 3})
    job = TrainingJob(
        name="model",
        settings=detector,
        augmentation=AugmentationSettings(),
        schedule=ScheduleSettings(iterations=1),
        seed=0,
    )
    planned = training.PlannedTraining(job, tmp_path / "train.json", tmp_path / "train.json")
    training.train_model(planned, tmp_path / "model")
    # The same six files, looked at again and again under other names.
    records = tuple(
        SliceRecord(
            number,
            f"{number % 6}.png" if number < 6 else f"./{'./' * number}{number % 6}.png",
            64,
            64,
        )
        for number in range(24)
    )
    slices = SliceSet(miniature.images, records, {})
    alive: list[int] = []
    refs: list[weakref.ref[SliceMasks]] = []
    make = prediction._to_masks

    def counted(*arguments: Any) -> SliceMasks:
        masks = make(*arguments)
        refs.append(weakref.ref(masks))
        gc.collect()
        alive.append(sum(ref() is not None for ref in refs))
        return masks

    monkeypatch.setattr(prediction, "_to_masks", counted)
    predict([tmp_path / "model"], slices, tmp_path / "predictions.json", device="cpu")
    assert len(alive) == 24
    assert max(alive) <= 3
    assert len(read_coco(tmp_path / "predictions.json")) == 24


# The reader that streams


def test_streamed_masks_are_those_that_are_read_at_once(
    miniature: SliceSet, tmp_path: Path
) -> None:
    path = tmp_path / "slices.json"
    write_coco(path, miniature, "six slices, the last without masks")
    stream, whole = open_coco(path), read_coco(path)
    assert stream.whole is None
    assert stream.slices.records == whole.records
    assert stream.slices.images == whole.images
    for masks, record in zip(stream.masks(), whole.records, strict=True):
        expected = whole.masks_of(record.image_id)
        assert (masks.image_id, masks.rles, masks.sources) == (
            record.image_id,
            expected.rles,
            expected.sources,
        )
        assert masks.boxes.tolist() == expected.boxes.tolist()
        assert masks.scores.tolist() == expected.scores.tolist()


def test_files_of_other_tools_are_read_at_once(miniature: SliceSet, tmp_path: Path) -> None:
    path = tmp_path / "slices.json"
    write_coco(path, replace(miniature, records=miniature.records[::-1]), "ours")
    document = json.loads(path.read_text())
    document["images"].reverse()
    document["annotations"].reverse()
    path.write_text(json.dumps(document))
    stream, whole = open_coco(path), read_coco(path)
    assert stream.whole is not None
    ids = [record.image_id for record in stream.slices.records]
    assert ids == sorted(ids)
    for masks in stream.masks():
        assert masks.rles == whole.masks_of(masks.image_id).rles


def broken(content: str) -> Iterator[str]:
    lines = content.splitlines(keepends=True)
    yield content[: len(content) // 2]
    yield content.replace('"image_id": 2', '"image_id": 77')
    yield content.replace('"category_id": 1', '"category_id": 5', 1)
    yield content.replace('"counts": "', '"counts": "~', 1)
    yield content + "{}"
    yield "".join(lines[:-2])
    yield "".join([*lines[:4], lines[4], *lines[4:]])
    yield content.replace("],\n", "", 1)


def test_what_is_wrong_is_told_by_both_readers(miniature: SliceSet, tmp_path: Path) -> None:
    path = tmp_path / "slices.json"
    write_coco(path, miniature, "six slices")
    for content in broken(path.read_text()):
        path.write_text(content)
        said = []
        for read in (read_coco, lambda one: list(open_coco(one).masks())):
            with pytest.raises(InputError, match=r"slices\.json: ") as caught:
                read(path)
            said.append(str(caught.value))
        assert said[0] == said[1] or "annotation" in said[1]
