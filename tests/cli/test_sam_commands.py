"""The commands of Segment Anything as a user calls them, on a small phantom."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.masks.coco import read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.sam.model import build_sam, save_sam
from fewshot.submission.submission import unmatched

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained small network as a checkpoint."""
    path = tmp_path_factory.mktemp("sam") / "small.pth"
    save_sam(path, build_sam("tiny", 0))
    return path


@pytest.fixture
def with_sam(work: Path, untrained: Path) -> Path:
    """The folder of good data with `small.pth`, boxes, and predictions of the validation slices."""
    shutil.copy(untrained, work / "small.pth")
    truth = read_coco(work / "data" / "validation.json")
    masks = []
    for record in truth.records:
        label = truth.masks_of(record.image_id)
        stack = label.decode().copy()
        stack[:, ::4] = False
        scores = np.full(len(label), 0.9, dtype=np.float32)
        masks.append(SliceMasks.from_stack(record.image_id, stack, scores, label.boxes, "final"))
    write_coco(work / "predictions.json", truth.with_masks(masks), "predictions")
    stem = Path(truth.records[0].file_name).stem
    (work / "boxes.csv").write_text(
        f"patientId,x,y,width,height,Target\n{stem},10,12,20,18,1\n{stem},30,30,10,9.5,1\n"
    )
    return work


def test_embed_says_what_it_takes_and_goes_on(fewshot: Call, with_sam: Path) -> None:
    command = "sam embed --checkpoint small.pth --data data/validation.json --out kept --json"
    code, out, err = fewshot(*command.split())
    assert code == 0
    answer = json.loads(out)
    assert answer["embedded"] == answer["slices"] > 0
    assert answer["bytes"] == answer["slices"] * 256 * 16 * 16 * 2
    assert "MB in float16" in err
    code, out, _ = fewshot(*command.split())
    assert json.loads(out)["embedded"] == 0


def test_prompt_takes_a_box_table_coco_boxes_and_whole_slices(
    fewshot: Call, with_sam: Path
) -> None:
    base = "sam prompt --checkpoint small.pth --embeddings kept --json"
    code, out, _ = fewshot(
        *f"{base} --boxes boxes.csv --data data/validation.json --out a.json".split()
    )
    assert code == 0
    answer = json.loads(out)
    assert answer["masks"] <= 2
    assert len(read_coco(Path("a.json"))) == answer["images"]
    code, _, _ = fewshot(*f"{base} --boxes predictions.json --out b.json".split())
    assert code == 0
    code, out, _ = fewshot(
        *f"{base} --whole-slice --data data/validation.json --out c.json".split()
    )
    assert code == 0
    assert json.loads(out)["masks"] <= answer["images"]


def test_refine_leaves_masks_alone_where_an_untrained_network_does_not_pay(
    fewshot: Call, with_sam: Path
) -> None:
    command = (
        "sam refine --checkpoint small.pth --predictions predictions.json --objective overlap "
        "--truth data/validation.json --truth-predictions predictions.json --out refined.json"
    )
    code, out, err = fewshot(*command.split(), "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["rule"] is None
    assert "is left out" in err
    before, after = read_coco(Path("predictions.json")), read_coco(Path("refined.json"))
    for record in before.records:
        assert before.masks_of(record.image_id).rles == after.masks_of(record.image_id).rles
    chosen = json.loads(Path("refined.refinement.json").read_text())
    assert chosen["before"] == chosen["after"] == answer["before"]


def test_auto_goes_straight_to_a_csv_that_can_be_scored(fewshot: Call, with_sam: Path) -> None:
    command = (
        "sam auto --checkpoint small.pth --data data/validation.json --out auto --json "
        "--points-per-side 4 --min-quality 0 --min-stability 0 --max-area 1 --max-border 1"
    )
    code, out, _ = fewshot(*command.split())
    assert code == 0
    answer = json.loads(out)
    assert -0.5 <= answer["ari_all"] <= 1
    assert 0 <= answer["average_precision"]["ap"] <= 1
    code, out, _ = fewshot("validate", "auto/submission.csv", "--json")
    assert code == 0
    names = [record.file_name for record in read_coco(Path("auto/masks.json")).records]
    header = Path("auto/submission.csv").read_text().partition("\n")[0].split(",")[1:]
    assert unmatched(names, header) == ([], [])


@pytest.mark.slow
def test_finetune_compare_and_study(fewshot: Call, with_sam: Path) -> None:
    tune = (
        "sam finetune --checkpoint tiny --train all --data data --out tuned --iterations 2 "
        "--batch-size 1 --evaluation-period 2 --json"
    )
    code, out, _ = fewshot(*tune.split(), "--stop-after", 1)
    assert (code, json.loads(out)["iteration"]) == (0, 1)
    code, out, err = fewshot(*tune.split())
    assert (code, json.loads(out)["iteration"]) == (0, 2)
    assert "validation Dice" in err
    both = "--checkpoint small.pth --checkpoint tuned/model.pth --data data/validation.json"
    code, out, _ = fewshot(*f"sam compare {both} --out compared --json".split())
    assert code == 0
    assert [row["model"] for row in json.loads(out)["models"]] == ["small", "tuned"]
    rows = Path("compared/scores.csv").read_text().splitlines()
    assert rows[0] == "model,image,structure,area,iou,dice,quality"
    with Image.open("compared/comparison.png") as picture:
        assert picture.width > 600
    study = (
        f"sam study {both} --out study --points 1 --points 0 --box tight --box whole --json "
        "--resolution 32 --input raw --input sobel --slices 1"
    )
    code, out, _ = fewshot(*study.split())
    assert code == 0
    assert len(json.loads(out)["rows"]) == 2 * 2 * 4
    assert len(Path("study/study.csv").read_text().splitlines()) == 17
    assert Path("study/study.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("embed --checkpoint vit_b --data data/validation.json --out kept", ["375 MB"]),
        ("embed --checkpoint tiny --data data/validation.json --out kept", ["finetune"]),
        ("embed --checkpoint gone.pth --data data/validation.json --out kept", ["no such file"]),
        ("embed --checkpoint run.yaml --data data/validation.json --out kept", ["run.yaml"]),
        ("embed --checkpoint small.pth --data gone.json --out kept", ["gone.json"]),
        ("prompt --checkpoint small.pth --out a.json", ["--boxes", "--whole-slice"]),
        ("prompt --checkpoint small.pth --whole-slice --out a.json", ["--data"]),
        ("prompt --checkpoint small.pth --boxes boxes.csv --out a.json", ["--data"]),
        ("auto --checkpoint small.pth --data data/validation.json --out old", ["not empty"]),
        (
            "auto --checkpoint small.pth --data data/train.json --out a --min-area 1 --max-area 0",
            ["--min-area"],
        ),
        (
            "refine --checkpoint small.pth --predictions predictions.json --out r.json "
            "--truth data/train.json --truth-predictions predictions.json",
            ["no prediction of"],
        ),
        ("finetune --checkpoint tiny --data data --out tuned", ["tiny", "--train all"]),
        ("finetune --checkpoint small.pth --data old --out tuned", ["train.json"]),
        (
            "study --checkpoint small.pth --data data/validation.json --out s --input blur",
            ["--input blur", "raw, clahe"],
        ),
        (
            "study --checkpoint small.pth --data data/validation.json --out s --phase late",
            ["--phase late", "NAME=FILE"],
        ),
        (
            "compare --checkpoint small.pth --data data/unlabelled.json --out c",
            ["no labelled slices"],
        ),
        (
            "compare --checkpoint small.pth --data data/validation.json --out c --box none",
            ["give points, a box"],
        ),
    ],
)
def test_wrong_input_is_one_line(
    command: str, words: list[str], refused: Refused, with_sam: Path
) -> None:
    refused(f"sam {command}", words)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([100, 100, 5, 5], ["outside the slice"]),
        ([4, 4, 0, 5], ["empty"]),
        ([4, 4, float("nan"), 5], ["bbox"]),
        ([4, 4], ["bbox"]),
    ],
)
def test_boxes_that_cannot_be_meant(
    box: list[float], words: list[str], refused: Refused, with_sam: Path
) -> None:
    document = json.loads(Path("predictions.json").read_text())
    document["annotations"][0]["bbox"] = box
    document["annotations"][0]["segmentation"] = []
    Path("boxes.json").write_text(json.dumps(document))
    refused("sam prompt --checkpoint small.pth --boxes boxes.json --out a.json", words)


def test_embeddings_of_another_checkpoint(fewshot: Call, refused: Refused, with_sam: Path) -> None:
    save_sam(Path("other.pth"), build_sam("tiny", 1))
    data = "--data data/validation.json --out kept"
    assert fewshot(*f"sam embed --checkpoint small.pth {data}".split())[0] == 0
    refused(f"sam embed --checkpoint other.pth {data}", ["embeddings of another checkpoint"])


def test_a_malicious_checkpoint_runs_nothing(refused: Refused, with_sam: Path) -> None:
    import os

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("touch evil-was-here",)

    torch.save({"weights": Evil()}, "evil.pth")
    refused(
        "sam embed --checkpoint evil.pth --data data/train.json --out kept", ["with code in it"]
    )
