"""`fewshot convert` on forms other than the challenge's: what it says, writes and refuses."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewshot.config.preprocessing import PreprocessSettings
from fewshot.errors import InputError
from fewshot.masks.coco import read_coco
from fewshot.preprocess.reader import read_preprocessed
from fewshot.slices.images import read_image
from fewshot.slices.window import Window, apply_window, parse_window

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[[str, Iterable[str]], None]


def test_the_real_volume(fewshot: Call, abdomen: Path, tmp_path: Path) -> None:
    images, labels = abdomen / "ct.nii.gz", abdomen / "labels.nii.gz"
    out = tmp_path / "new" / "out"
    code, answer, err = fewshot(
        *("convert", "--images", images, "--labels", labels, "--window", "soft-tissue"),
        *("--out", out, "--json"),
    )
    assert code == 0
    found = json.loads(answer)["found"]
    assert (found["slices"], found["labelled"], found["structures"]) == (112, 112, [8, 17.5, 28])
    assert (found["sizes"], found["spacing"]) == ([[101, 122]], [[3, 3]])
    for words in ("NIfTI, 112 slices of 101 x 122 pixels, 3 x 3 mm", "window: 40/400"):
        assert words in err
    assert "validation is flattered" in err
    parts = [read_coco(out / f"{name}.json") for name in ("train", "validation")]
    assert sum(len(part) for part in parts) == 112
    record = parts[0].records[0]
    assert read_image(parts[0].path_of(record)).shape == (101, 122)
    assert parts[0].volumes["ct"].shape == (122, 101, 112)
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


def deep_slices(folder: Path) -> None:
    folder.mkdir()
    for index in range(4):
        values = np.full((30, 40), 1000 * index, np.uint16)
        values[:5] = 60000
        Image.fromarray(values).save(folder / f"{index}.png")


def test_deep_images_without_labels(fewshot: Call, work: Path) -> None:
    deep_slices(work / "deep")
    code, out, err = fewshot("convert", "--images", "deep", "--out", "new", "--json")
    assert code == 0
    assert json.loads(out)["unlabelled"] == 4
    assert "percentile of 4 slices" in err
    slices = read_coco(Path("new/unlabelled.json"))
    assert slices.images == (work / "new" / "images").resolve()
    assert [path.name for path in sorted(slices.images.iterdir())] == [f"{n}.png" for n in range(4)]


def test_bad_slices_are_refused_or_passed_over(fewshot: Call, refused: Refused, work: Path) -> None:
    deep_slices(work / "deep")
    (work / "deep" / "2.png").write_text("no image")
    refused("convert --images deep --out new", ["deep/2.png: cannot be read as an image"])
    code, out, err = fewshot("convert", "--images", "deep", "--out", "new", "--skip-bad", "--json")
    assert code == 0
    assert json.loads(out)["unlabelled"] == 3
    assert "skipped: deep/2.png: cannot be read" in err


def test_three_windows_of_a_slice_are_the_channels_that_a_model_sees(
    fewshot: Call, work: Path
) -> None:
    values = np.random.default_rng(0).integers(-1000, 2000, (4, 32, 40)).astype(np.int16)
    np.save(work / "hu.npy", values)
    windows = ["lung", "40/400", "bone"]
    options = [word for window in windows for word in ("--window", window)]
    code, _, err = fewshot("convert", "--images", "hu.npy", *options, "--out", "new", "--check")
    assert code == 0, err
    assert "window: -600/1500 | 40/400 | 400/1800" in err
    slices = read_coco(work / "new" / "unlabelled.json")
    colour = PreprocessSettings(input="colour")
    for record, one in zip(slices.records, values, strict=True):
        seen = read_preprocessed(slices.path_of(record), colour)
        for channel, window in enumerate(map(parse_window, windows)):
            assert isinstance(window, Window)
            np.testing.assert_array_equal(seen[..., channel], apply_window(one, window))
        # Whatever wants one grey still gets it.
        assert read_image(slices.path_of(record)).shape == (32, 40)


def test_boxes_are_written_beside_the_slices(fewshot: Call, work: Path) -> None:
    Path("boxes.csv").write_text("patientId,x,y,width,height,Target\n1,2,3,4,5,1\n0,,,,,0\n")
    code, _, err = fewshot("convert", "--images", "X_test", "--labels", "boxes.csv", "--out", "new")
    assert code == 0
    assert "1 boxes without masks, in boxes.json" in err
    document = json.loads(Path("new/boxes.json").read_text())
    (annotation,) = document["annotations"]
    assert (annotation["image_id"], annotation["bbox"]) == (1, [2, 3, 4, 5])
    assert len(read_coco(Path("new/unlabelled.json"))) == 3
    with pytest.raises(InputError, match="annotation 1"):
        read_coco(Path("new/boxes.json"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--images nowhere", ["--images nowhere: no such file or folder"]),
        (
            "--images run.yaml",
            ["run.yaml: no image in it that is read (it is a .yaml file); give PNG"],
        ),
        (
            "--images X_train --labels run.yaml",
            ["run.yaml: no labels in it that are read (it is a .yaml file)"],
        ),
        ("--images X_train --window red", ["window 'red': give soft-tissue, "]),
        ("--images X_train --window lung", ["8-bit grey already"]),
        ("--images X_train --window lung --window bone", ["one window, or three", "lung, bone"]),
        (
            "--images X_train --window lung --window bone --window minmax",
            ["--window: lung, bone, minmax", "by its name or as centre/width"],
        ),
        (
            "--images X_train --window lung --window bone --window 40/400",
            ["8-bit grey already"],
        ),
        ("--images X_train --axis axial", ["--axis axial is for NIfTI volumes"]),
        ("--images broken.nii", ["broken.nii: cannot be read as NIfTI"]),
        ("--images broken.dcm", ["broken.dcm: cannot be read as DICOM"]),
        ("--images broken.npz", ["broken.npz: cannot be read as a NumPy array"]),
        ("--images broken.nii --skip-bad", ["broken.nii: no slice can be read"]),
    ],
)
def test_what_convert_refuses(
    refused: Refused, work: Path, options: str, words: Iterable[str]
) -> None:
    for suffix in ("nii", "dcm", "npz"):
        (work / f"broken.{suffix}").write_text("not what the name says")
    refused(f"convert {options} --out new", words)
