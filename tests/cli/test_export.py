"""`fewshot export` and `fewshot look`, as a user calls them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fewshot.files import read_json, write_json
from fewshot.masks.coco import SliceRecord, SliceSet, Volume, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode_stack
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.volume import slice_of

Call = Callable[..., tuple[int, str, str]]
Do = Callable[[str], tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]

AFFINE = ((-2.0, 0.0, 0.0, 30.0), (0.0, -2.0, 0.0, 40.0), (0.0, 0.0, 5.0, -60.0), (0, 0, 0, 1.0))


@pytest.fixture
def do(fewshot: Call) -> Do:
    """`do("command --with options")` → exit code, standard output, standard error."""
    return lambda command: fewshot(*command.split())


def the_object(out: str) -> dict[str, Any]:
    assert len(out.splitlines()) == 1, out
    value = json.loads(out)
    assert isinstance(value, dict)
    return value


def write_stack(target: Path) -> np.ndarray[Any, Any]:
    """Write a COCO file of a volume's slices, and one slice of no volume; return the volume."""
    labels = np.zeros((16, 20, 6), np.int16)
    labels[2:14, 3:18, 1:5] = 1
    labels[4:7, 5:9, 2:4] = 2
    records, masks = [], {}
    for index in range(6):
        picture = slice_of(labels, 2, index, AFFINE)
        records.append(SliceRecord(index, f"{index}.png", 20, 16, volume="ct", index=index))
        masks[index] = SliceMasks.from_label_map(index, picture)
    records.append(SliceRecord(6, "photo.png", 8, 8))
    volumes = {"ct": Volume((16, 20, 6), 2, AFFINE, "ct.nii.gz")}
    write_coco(target, SliceSet(target.parent, tuple(records), masks, volumes), "a stack")
    return labels


def test_labels_become_the_label_maps_of_the_challenge(do: Do, work: Path) -> None:
    assert do("convert --images X_test --labels Y_test.csv.gz --test --out t")[0] == 0
    code, out, err = do("export --masks t/test.json --form label-png --out png")
    assert (code, out, err) == (0, "", "exported 3 slices to 3 files\n")
    table = read_label_csv(Path("Y_test.csv.gz"))
    for name in table.names:
        true = table.label_map(name, 64, 64)
        with Image.open(work / "png" / name) as image:
            found = np.asarray(image)
        pairs = set(zip(true.ravel().tolist(), found.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(true)) == len(np.unique(found))
        assert (0, 0) in pairs


def test_a_stack_becomes_a_volume(do: Do, work: Path) -> None:
    labels = write_stack(work / "stack.json")
    command = "export --masks stack.json --form nifti --out volumes --json"
    code, out, err = do(command)
    assert code == 0, err
    assert the_object(out) == {
        "form": "nifti",
        "folder": "volumes",
        "files": 1,
        "slices": 6,
        "overlapping": 0,
    }
    assert "1 slice left out: no volume is known for" in err
    image: Any = nibabel.load(work / "volumes" / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), labels)
    np.testing.assert_array_equal(image.affine, AFFINE)


def write_overlapping(target: Path) -> None:
    """Write a COCO file of one slice with two overlapping masks, of scores 0.9 and 0.3."""
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2:6, 2:6] = masks[1, 4:8, 4:8] = True
    rles = tuple(encode_stack(masks))
    found = SliceMasks(
        0, 8, 8, np.array([0.9, 0.3], np.float32), boxes(rles), rles, ("final", "final")
    )
    slices = SliceSet(target.parent, (SliceRecord(0, "0.png", 8, 8),), {0: found})
    write_coco(target, slices, "predictions")


@pytest.mark.parametrize(
    ("options", "areas", "warned"),
    [
        ("", [36, 16, 12], True),
        ("--score-threshold 0.5", [48, 16], False),
        ("--score-threshold 0.5 --background nearest", [0, 64], False),
    ],
)
def test_the_options_decide_about_overlaps_and_background(
    do: Do, work: Path, options: str, areas: list[int], warned: bool
) -> None:
    write_overlapping(work / "p.json")
    command = f"export --masks p.json --form label-png --out png {options}"
    code, _, err = do(command)
    assert code == 0
    assert ("masks overlap on 1 slice, and the higher score won" in err) == warned
    with Image.open(work / "png" / "0.png") as image:
        assert np.bincount(np.asarray(image).ravel()).tolist() == areas


def test_predictions_become_coco_results(do: Do, work: Path) -> None:
    write_overlapping(work / "p.json")
    command = "export --masks p.json --form coco-results --out results"
    code, out, _ = do(f"{command} --json")
    assert code == 0
    answer = {"form": "coco-results", "folder": "results", "files": 1, "slices": 1, "masks": 2}
    assert the_object(out) == answer
    entries = json.loads((work / "results" / "results.json").read_text())
    assert [entry["score"] for entry in entries] == [0.9, 0.3]
    assert [entry["bbox"] for entry in entries] == [[2, 2, 4, 4], [4, 4, 4, 4]]


def claim(**changes: Any) -> Callable[[], None]:
    """Let the COCO file of a stack claim something about its volume."""

    def write() -> None:
        write_stack(Path("stack.json"))
        document = read_json(Path("stack.json"))
        document["info"]["volumes"]["ct"] |= changes
        write_json(Path("stack.json"), document)

    return write


def nothing() -> None:
    """Break nothing."""


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (nothing, "--masks none.json --form nifti --out x", ["none.json: no such file"]),
        (nothing, "--masks run.yaml --form nifti --out x", ["run.yaml: broken JSON"]),
        (
            nothing,
            "--masks data/train.json --form nifti --out x",
            ["data/train.json: no slice came from a volume"],
        ),
        (
            nothing,
            "--masks data/train.json --form label-png --out old",
            ["--out old: is not empty; give another folder"],
        ),
        (
            nothing,
            "--masks data/train.json --form coco-results --background nearest --out x",
            ["--background nearest: COCO results"],
        ),
        (
            claim(shape=[16, 20, 30_000_000]),
            "--masks stack.json --form nifti --out x",
            ["stack.json: volume 'ct': is 16 x 20 x 30000000", "at most 32767"],
        ),
        (
            claim(),
            "--masks stack.json --form nifti --max-voxels 1000 --out deep/x",
            ["stack.json: volume 'ct'", "1920 voxels; the limit is 1000"],
        ),
        (
            claim(shape=[20, 16, 6]),
            "--masks stack.json --form nifti --out x",
            ["stack.json: image 0", "does not lie in volume 'ct'"],
        ),
        (
            claim(affine=[[0, 0, 0, 0]] * 4),
            "--masks stack.json --form nifti --out x",
            ["stack.json", "affine"],
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(
    refused: Refused, work: Path, spoil: Callable[[], None], options: str, words: list[str]
) -> None:
    spoil()
    refused(f"export {options}", words)


def test_look_draws_a_contact_sheet(do: Do, work: Path) -> None:
    code, out, err = do("look data/train.json --out sheets/train.png --json")
    assert (code, err) == (0, "")
    assert the_object(out) == {"file": "sheets/train.png", "shown": 3}
    with Image.open(work / "sheets" / "train.png") as sheet:
        sheet.load()
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
    code, out, _ = do("look data/train.json --out few.png --slices 2 --json")
    assert (code, the_object(out)["shown"]) == (0, 2)


def test_look_refuses_what_is_no_picture_or_no_coco_file(refused: Refused, work: Path) -> None:
    refused("look data/train.json --out sheet.jpg", ["give a file name that ends in .png"])
    refused("look none.json --out sheet.png", ["none.json: no such file"])
    (work / "empty.json").write_text('{"images": [], "annotations": [], "categories": []}')
    refused("look empty.json --out sheet.png", ["empty.json: has no slices"])


@pytest.mark.parametrize("options", ["--labels Y_train.csv.gz", "", "--test"])
def test_convert_draws_what_it_wrote_when_asked(do: Do, work: Path, options: str) -> None:
    code, _, err = do(f"convert --images X_train {options} --out checked --check")
    assert code == 0
    assert err.endswith("check: look at checked/check.png\n")
    with Image.open(work / "checked" / "check.png") as sheet:
        sheet.load()
    assert do(f"convert --images X_train {options} --out plain")[0] == 0
    names = {path.name for path in (work / "plain").iterdir()}
    assert {path.name for path in (work / "checked").iterdir()} == names | {"check.png"}
