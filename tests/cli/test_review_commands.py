"""`fewshot review`, `fewshot report` and `train-final --review` on wrong and on good input."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fewshot.masks.coco import read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.radiologists.review import FORM, Decision, mask_key, write_review

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]


@pytest.fixture
def soft(work: Path) -> Path:
    """Soft labels of the unlabelled slices: the validation slices' masks, as if seen on them."""
    slices = read_coco(work / "data" / "unlabelled.json")
    labels = read_coco(work / "data" / "validation.json")
    masks = labels.masks_of(labels.records[0].image_id)
    boxes, scores = masks.boxes, masks.scores * 0.9
    found = [
        SliceMasks(one.image_id, 64, 64, scores, boxes, masks.rles, ("fine",) * len(masks))
        for one in slices.records
    ]
    target = work / "soft" / "annotations.json"
    write_coco(target, slices.with_masks(found), "soft labels")
    return target


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("review nowhere", ["nowhere", "no such run directory or file of soft labels"]),
        ("review data", ["data", "contains no soft labels"]),
        ("review data/unlabelled.json", ["there are no soft labels; make some"]),
        ("report nowhere", ["nowhere", "is not a run directory"]),
        ("report old", ["old/config.resolved.yaml"]),
        ("train-final --data data --out f --review r.json", ["--review", "give --soft-labels too"]),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    refused: Refused, command: str, words: list[str]
) -> None:
    refused(command, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", ["review.json", "is not a review of soft labels"]),
        (json.dumps({"form": FORM, "masks": {"k": {"decision": "?"}}}), ["mask k", "accept"]),
    ],
)
def test_a_wrong_review_is_refused_before_training(
    refused: Refused, work: Path, soft: Path, content: str, words: list[str]
) -> None:
    (work / "review.json").write_text(content)
    refused(f"train-final --data data --soft-labels {soft} --review review.json --out f", words)
    refused(
        "train-final --data data --soft-labels x.json --review none.json --out f", ["none.json"]
    )


@pytest.mark.slow
def test_train_final_honours_a_review(fewshot: Call, work: Path, soft: Path) -> None:
    slices = read_coco(soft)
    first, second = slices.records[:2]
    keys = [mask_key(first, rle) for rle in slices.masks_of(first.image_id).rles]
    decisions = {key: Decision("delete", first.file_name, "fine") for key in keys}
    rejected = slices.masks_of(second.image_id).rles[0]
    decisions[mask_key(second, rejected)] = Decision("reject", second.file_name, "fine")
    write_review(work / "soft" / "review.json", decisions)
    code, _, err = fewshot(
        *("train-final", "--config", "run.yaml", "--data", "data", "--out", "final"),
        *("--soft-labels", soft, "--review", "soft/review.json", "--set", "final.iterations=1"),
    )
    assert code == 0, err
    assert f"review: 0 accepted, 1 rejected, {len(keys)} deleted" in err
    assert (work / "final" / "model.json").is_file()
    assert list((work / "final" / "tensorboard" / "final").glob("events*"))
