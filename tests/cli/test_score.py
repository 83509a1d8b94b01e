"""`fewshot score`, `agree` and `validate` as a user and a script call them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fewshot.files import write_json
from fewshot.metrics.slice_metrics import METRICS
from fewshot.slices.label_csv import read_label_csv, write_label_csv

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def guess(work: Path) -> Path:
    """A submission for the test slices: the labels moved by two pixels, one slice left empty."""
    labels = read_label_csv(work / "Y_test.csv.gz")
    maps = [np.roll(ids.reshape(64, 64), 2, axis=0) for ids in labels.pixels]
    maps[1][:] = 0
    write_label_csv(work / "guess.csv", labels.names, maps)
    return work / "guess.csv"


def test_scores_for_scripts(fewshot: Call, guess: Path) -> None:
    command = ("score", "--truth", "Y_test.csv.gz", "--submission", guess.name)
    code, out, err = fewshot(*command, "--json", "--workers", 2, "--table", "table.json")
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    answer = json.loads(out)
    assert answer["images"] == len(answer["per_image"]) == 3
    assert set(METRICS) <= set(answer)
    for name in METRICS:
        low, high = answer["intervals"][name]
        assert low <= answer[name] <= high
        values = [image[name] for image in answer["per_image"].values()]
        assert answer[name] == pytest.approx(np.mean(values), abs=1e-15)
    assert answer["bootstrap"] == {
        "level": 0.95,
        "resamples": 10_000,
        "resampled_by": "image",
        "groups": None,
    }
    assert answer["empty_slices"]["images"] == []
    assert answer["empty_slices"]["scores"]["region_predicted"]["ari_all"] == 0.0
    table = json.loads(Path("table.json").read_text())
    assert {row.pop("image"): row for row in table} == answer["per_image"]
    code, out, err = fewshot(*command, "--json", "--workers", 1)
    assert json.loads(out) == answer


def test_scores_by_patient(fewshot: Call, guess: Path) -> None:
    Path("groups.csv").write_text("image,patient\n0.png,a\n1.png,a\n2.png,b\n")
    command = ("score", "--truth", "Y_test.csv.gz", "--submission", guess.name)
    code, out, err = fewshot(*command, "--groups", "groups.csv", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["bootstrap"]["resampled_by"] == "group"
    assert answer["bootstrap"]["groups"] == 2
    assert answer["per_image"]["2.png"]["group"] == "b"
    code, out, err = fewshot(*command, "--groups", "groups.csv", "--table", "table.csv")
    assert "resampled by group, of which there are 2" in out
    assert len(Path("table.csv").read_text().splitlines()) == 4
    Path("groups.csv").write_text("image,patient\n0.png,a\n")
    code, out, err = fewshot(*command, "--groups", "groups.csv")
    assert (code, out) == (2, "")
    assert "groups.csv: no group for '1.png', '2.png'" in err


def test_what_an_empty_slice_scores_is_said(fewshot: Call, guess: Path) -> None:
    code, out, err = fewshot("score", "--truth", guess.name, "--submission", "Y_test.csv.gz")
    assert (code, err) == (0, "")
    assert "1 of 3 images have no true region" in out
    assert "scores 1 everywhere when nothing is predicted on it" in out
    assert "1 on the foreground and 0 on all else" in out


def test_agreement_of_annotators(fewshot: Call, guess: Path) -> None:
    command = ("agree", "--a", "Y_test.csv.gz", "--b", guess.name)
    code, out, err = fewshot(*command, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["images"], answer["only_a"], answer["only_b"]) == (2, ["1.png"], [])
    assert 0 < answer["kappa_regions"] < 1
    code, out, err = fewshot(*command)
    assert "Cohen's kappa, foreground or background" in out
    assert "left out: 1 images labelled only in Y_test.csv.gz" in out
    code, out, err = fewshot(*command, "--count-empty", "--json")
    assert json.loads(out)["images"] == 3


def test_warnings_do_not_make_a_submission_wrong(fewshot: Call, guess: Path) -> None:
    code, out, err = fewshot("validate", guess.name, "--images", "X_test")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("warning: guess.csv: 1 of 3 columns are all zero")
    assert out.splitlines()[1] == "guess.csv: fine (label table)"
    code, out, err = fewshot("validate", guess.name, "--images", "X_test", "--json")
    verdict = json.loads(out)
    assert (verdict["valid"], verdict["findings"], len(verdict["warnings"])) == (True, [], 1)


def test_transposed_masks_are_refused(fewshot: Call, work: Path) -> None:
    labels = read_label_csv(Path("Y_test.csv.gz"))
    maps = [ids.reshape(64, 64).T for ids in labels.pixels]
    write_label_csv(Path("turned.csv"), labels.names, maps)
    command = ("validate", "turned.csv", "--images", "X_test", "--reference", "Y_test.csv.gz")
    code, out, err = fewshot(*command)
    assert (code, err) == (2, "")
    assert "turned.csv: the masks look transposed: against Y_test.csv.gz" in out


def test_a_coco_file_without_its_images_is_checked_alone(fewshot: Call, work: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "7.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "organ"}],
        "annotations": [],
    }
    (work / "cvat").mkdir()
    write_json(work / "cvat" / "instances.json", document)
    code, out, err = fewshot("validate", "cvat/instances.json")
    assert (code, err) == (0, "")
    assert "warning: cvat/instances.json: its images were not looked for; give --images" in out
    assert "cvat/instances.json: fine (COCO, 1 slices, 0 masks)" in out
    code, out, _ = fewshot("validate", "cvat/instances.json", "--images", "X_test")
    assert code == 2
    assert "not in X_test: '7.png'" in out
