"""From captures to a volume and its agreement, as a user calls the commands."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fewshot.files import read_json, write_json
from fewshot.masks.coco import read_coco
from tests.captures.drawing import blob, filled, outlined, slice_of_phantom

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]
SIZE, SPACING = 96, "0.1 0.1 0.3"
SECTIONS = [None, 20, 26, 29, 30, 29, 26, 20, None]  # radii in pixels


def write_captures(folder: Path, skip: Iterable[int] = ()) -> float:
    """Write captures of a tumour, `tumour_01.png` and so on; return its volume in mm3."""
    folder.mkdir()
    pixels = 0
    for number, radius in enumerate(SECTIONS, start=1):
        outlines = [] if radius is None else [blob((48, 46), radius, 7)]
        pixels += sum(int(filled(one, (SIZE, SIZE)).sum()) for one in outlines)
        if number not in skip:
            picture = outlined(slice_of_phantom(SIZE, number), outlines, 2)
            Image.fromarray(picture).save(folder / f"tumour_{number:02d}.png")
    return pixels * 0.1 * 0.1 * 0.3


@pytest.fixture
def extracted(fewshot: Call, work: Path) -> Path:
    """The current folder, with the captures extracted to `a/`, and another annotator's in `b/`."""
    write_captures(work / "captures")
    command = ["annotations", "extract", "--captures", "captures", "--spacing", SPACING]
    for out, options in (("a", []), ("b", ["--frame", "none"])):
        assert fewshot(*command, *options, "--out", out)[0] == 0
    document = read_json(work / "b" / "annotations.json")
    document["annotations"] = document["annotations"][:-1]
    write_json(work / "b" / "annotations.json", document)
    return work


def test_captures_become_images_masks_and_a_volume(fewshot: Call, extracted: Path) -> None:
    folder = extracted / "a"
    slices = read_coco(folder / "annotations.json")
    assert len(slices) == 9
    assert [record.index for record in slices.records] == list(range(9))
    assert all(slices.path_of(record).is_file() for record in slices.records)
    assert all((folder / "masks" / record.file_name).is_file() for record in slices.records)
    with Image.open(folder / "check.png") as sheet:
        assert sheet.size[0] > 300
    code, out, err = fewshot("volume", "--masks", "a/annotations.json", "--out", "v", "--json")
    assert code == 0, err
    made = json.loads(out)
    (row,) = made["structures"]
    true = write_captures(extracted / "again")
    assert row["voxels_mm3"] == pytest.approx(true, rel=0.05)
    assert row["voxels_ml"] == pytest.approx(row["voxels_mm3"] / 1000, rel=1e-3)
    assert row["interpolated_mm3"] == pytest.approx(true, rel=0.05)
    files = {"volumes.csv", "volumes.json", "linked.json", "captures.html", "captures.nii.gz"}
    assert set(made["files"]) == files | {"meshes/captures_1.ply"}
    image: Any = nibabel.load(extracted / "v" / "captures.nii.gz")
    assert np.abs(image.header.get_zooms() - np.array([0.1, 0.1, 0.3])).max() < 1e-6
    table = (extracted / "v" / "volumes.csv").read_text().splitlines()
    assert len(table) == 2
    assert str(row["voxels"]) in table[1]


def test_a_missing_capture_is_noticed_and_its_neighbours_stand_for_it(
    fewshot: Call, work: Path
) -> None:
    true = write_captures(work / "captures", skip=[5])
    command = ["--captures", "captures", "--spacing", SPACING, "--out", "a"]
    code, _, err = fewshot("annotations", "extract", *command)
    assert code == 0
    assert "no closed outline in 2 of 8: 'tumour_01.png', 'tumour_09.png'" in err
    assert "captures: 1 slice is missing between the first and the last: 5" in err
    code, out, err = fewshot("volume", "--masks", "a/annotations.json", "--out", "v", "--json")
    assert code == 0
    assert "1 slice is missing" in err
    assert json.loads(out)["structures"][0]["voxels_mm3"] == pytest.approx(true, rel=0.05)


def test_the_agreement_of_a_model_and_annotators(fewshot: Call, extracted: Path) -> None:
    given = ["--model", "a/annotations.json", "--annotator", "b/annotations.json"]
    given += ["--annotator", "a/annotations.json", "--out", "agreement"]
    times = ["--model-seconds", "9", "--annotation-seconds", "1800"]
    code, out, err = fewshot("volume-agreement", *given, *times, "--json")
    assert code == 0, err
    made = json.loads(out)
    assert made["seconds_per_slice"] == {"model": 1.0, "annotation": 200.0, "times_as_fast": 200.0}
    by_pair = {(row["first"], row["second"]): row for row in made["pairs"]}
    same = by_pair["model", "annotations'"]
    assert (same["dice"], same["hausdorff95_mm"], same["difference_mm3"]) == (1, 0, 0)
    less = by_pair["model", "annotations"]
    assert 0.9 < less["dice"] < 1
    assert less["difference_mm3"] > 0
    assert len(by_pair) == 3
    kappas = {row["readers"]: row["cohen"] or row["fleiss"] for row in made["kappa"]}
    assert kappas["model / annotations'"] == 1
    assert 0.85 < kappas["model / annotations"] < 1
    assert 0.85 < kappas["model, annotations, annotations'"] < 1
    assert made["bland_altman"]["bias"] == pytest.approx(less["difference_mm3"] / 2)
    with Image.open(extracted / "agreement" / "bland_altman.png") as figure:
        assert figure.size[0] > 500
    assert {one.name for one in (extracted / "agreement").iterdir()} == {
        ".fewshot.json",
        "agreement.csv",
        "agreement.json",
        "bland_altman.png",
    }


def test_slices_without_geometry_are_measured_with_a_spacing(fewshot: Call, work: Path) -> None:
    command = ["--images", "X_test", "--labels", "Y_test.csv.gz", "--test"]
    assert fewshot("convert", *command, "--spacing", "1 1 2", "--out", "seq")[0] == 0
    slices = read_coco(Path("seq/test.json"))
    assert [record.position for record in slices.records] == [0.0, 2.0, 4.0]
    assert {record.spacing for record in slices.records} == {(1.0, 1.0)}
    assert fewshot("convert", *command, "--out", "plain")[0] == 0
    options = ["--no-page", "--grid", "none", "--mesh", "none", "--json"]
    answers = []
    for file, spacing in (("seq", []), ("plain", ["--spacing", "1 1 2"])):
        masks = ["--masks", f"{file}/test.json", *spacing, "--out", f"v-{file}"]
        code, out, err = fewshot("volume", *masks, *options)
        assert code == 0, err
        rows = json.loads(out)["structures"]
        answers.append([row["voxels_mm3"] for row in rows])
    assert answers[0] == answers[1]


REFUSED = [
    ("volume --masks none.json --out x", ["none.json: no such file"]),
    ("volume --masks X_test --out x", ["X_test: is a folder"]),
    ("volume --masks run.yaml --out x", ["run.yaml: broken JSON"]),
    (
        "volume --masks data/train.json --out x",
        ["data/train.json: image", "it is not known where the slice lies", "--spacing"],
    ),
    ("volume --masks data/train.json --spacing 1,2 --out x", ["--spacing '1,2'", "three"]),
    ("volume --masks data/train.json --spacing 1,1,1 --out old", ["--out old: is not empty"]),
    ("volume --masks data/train.json --spacing 1,1,1 --mesh obj --out x", ["--mesh obj"]),
    (
        "volume --masks data/train.json --spacing 1,1,1 --max-voxels 99 --out deep/x",
        ["data/train.json: volume 'sequence'", "the limit is 99"],
    ),
    (
        "volume --masks a.json --annotator data/train.json --out x",
        ["data/train.json", "--spacing"],
    ),
    (
        "volume-agreement --model a.json --annotator b.json --out x",
        ["b.json: volume 'v'", "slices are 12 x 12, not 16 x 16"],
    ),
    (
        "volume-agreement --model a.json --annotator none.json --out x",
        ["none.json: no such file"],
    ),
    ("annotations extract --captures none --out x", ["none: not a readable folder"]),
    ("annotations extract --captures X_test --out old", ["--out old: is not empty"]),
    ("annotations extract --captures X_test --colour mud --out x", ["--colour 'mud'"]),
    ("annotations extract --captures X_test --frame 1,2 --out x", ["--frame 1,2"]),
    (
        "annotations extract --captures X_test --frame 0,0,99,99 --out x",
        ["X_test/", "too small for the frame"],
    ),
    (
        "annotations extract --captures X_train --images X_test --size 32 --frame none --out x",
        ["X_train/3.png: no image of this name"],
    ),
    ("annotations extract --captures odd --out x", ["odd/2.png: is 20 x 30, 1.png is 40 x 40"]),
    ("annotations extract --captures broken --out x", ["broken/1.png", "save it again"]),
]


def write_stack(target: Path, size: int) -> None:
    """Write a COCO file of a volume of three slices."""
    from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
    from fewshot.masks.predicted import SliceMasks
    from fewshot.slices.sequence import sequence_volume

    labels = np.zeros((size, size), np.uint8)
    labels[3:9, 3:9] = 1
    records = tuple(
        SliceRecord(one, f"{one}.png", size, size, volume="v", index=one) for one in range(3)
    )
    masks = {one: SliceMasks.from_label_map(one, labels) for one in range(3)}
    volumes = {"v": sequence_volume((size, size), 3, (1.0, 1.0, 1.0), "v")}
    write_coco(target, SliceSet(target.parent, records, masks, volumes), "stack")


@pytest.mark.parametrize(("command", "words"), REFUSED)
def test_bad_input_is_one_line(
    refused: Refused, work: Path, command: str, words: list[str]
) -> None:
    write_stack(work / "a.json", 16)
    write_stack(work / "b.json", 12)
    for folder in ("odd", "broken"):
        (work / folder).mkdir()
    Image.new("RGB", (40, 40)).save(work / "odd" / "1.png")
    Image.new("RGB", (30, 20)).save(work / "odd" / "2.png")
    (work / "broken" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    refused(command, words)
