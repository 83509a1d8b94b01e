"""Submissions as they are sent, and their scores against scikit-learn at real size."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from fewshot.errors import InputError
from fewshot.slices.label_csv import read_label_csv, write_label_csv
from fewshot.slices.label_rows import LabelForm
from fewshot.submission.submission import score_submission, write_submission


def ones(height: int = 2, width: int = 2) -> NDArray[np.uint8]:
    return np.ones((height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("named", b",9.png,10.png\nPixel 0,9,1\nPixel 1,0,2\n"),
        ("plain", b",9,10\n0,9,1\n1,0,2\n"),
    ],
)
def test_columns_stand_in_slice_order(tmp_path: Path, form: LabelForm, content: bytes) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, ["10.png", "9.png"], [np.array([[1, 2]]), np.array([[9, 0]])], form)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("names", "maps", "message"),
    [
        (["0.png"], [], "1 names for 0 label maps"),
        (["0.png", "0.png"], [ones(), ones()], "an image is given twice"),
        (["0.png", "0"], [ones(), ones()], "'0.png' is given twice"),
        ([], [], "no image to write"),
        (["0.png"], [ones().astype(np.int32) * 256], "image '0.png' holds id 256"),
        (["0.png", "1.png"], [ones(), ones(2, 3)], "image '1.png' has shape"),
    ],
)
def test_what_cannot_be_submitted(
    tmp_path: Path, names: list[str], maps: list[NDArray[np.integer]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_submission(tmp_path / "submission.csv", names, maps)
    assert not list(tmp_path.iterdir())


def regions(seed: int, size: int = 512) -> NDArray[np.uint8]:
    """Return blocky regions with ids 0 to 17, about as many as a slice has."""
    coarse = np.random.default_rng(seed).integers(0, 18, (8, 8), dtype=np.uint8)
    return coarse.repeat(size // 8, axis=0).repeat(size // 8, axis=1)


def test_scores_are_scikit_learns_at_real_size(tmp_path: Path) -> None:
    truths = [regions(seed) for seed in range(3)]
    # Shifted by one column, and by one row in transposed place: near, but not the same.
    predictions = [np.roll(truth, shift, axis=1) for shift, truth in enumerate(truths)]
    write_label_csv(tmp_path / "Y.csv", ["0.png", "1.png", "2.png"], truths)
    write_label_csv(tmp_path / "S.csv.gz", ["2", "1", "0"], predictions[::-1], "plain")
    summary = score_submission(tmp_path / "Y.csv", tmp_path / "S.csv.gz")

    assert list(summary.per_image) == ["0.png", "1.png", "2.png"]
    expected_all = [
        adjusted_rand_score(truth.ravel(), prediction.ravel())
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    expected_foreground = [
        adjusted_rand_score(truth[truth != 0], prediction[truth != 0])
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    scores = list(summary.per_image.values())
    assert [score.all_pixels for score in scores] == pytest.approx(expected_all, abs=1e-12)
    assert [score.foreground for score in scores] == pytest.approx(expected_foreground, abs=1e-12)
    assert summary.all_pixels == pytest.approx(np.mean(expected_all), abs=1e-12)
    assert summary.foreground == pytest.approx(np.mean(expected_foreground), abs=1e-12)
    assert summary.per_image["0.png"].all_pixels == 1.0


@pytest.mark.parametrize(
    ("names", "size", "message"),
    [
        (
            ["0.png"],
            2,
            "S.csv: no column for '1.png'; write one for each of the 2 images in .*Y.csv",
        ),
        (["0.png", "1.png", "2.png"], 2, "S.csv: '2.png' not in .*Y.csv"),
        (["0.png", "1.png"], 3, "S.csv: 9 pixel rows where .*Y.csv has 4"),
    ],
)
def test_submissions_that_do_not_match(
    tmp_path: Path, names: list[str], size: int, message: str
) -> None:
    write_label_csv(tmp_path / "Y.csv", ["0.png", "1.png"], [ones(), ones()])
    write_label_csv(tmp_path / "S.csv", names, [ones(size, size) for _ in names])
    with pytest.raises(InputError, match=message):
        score_submission(tmp_path / "Y.csv", tmp_path / "S.csv")


def test_real_labels_score_one_against_themselves(headneck: Path, tmp_path: Path) -> None:
    truth = headneck / "Y_test.csv.gz"
    table = read_label_csv(truth)
    # Other ids for the same regions: only which pixels share an id matters.
    renumbered = [
        np.where(ids == 0, 0, 200 - ids).reshape(160, 160) for ids in table.pixels.astype(int)
    ]
    write_submission(tmp_path / "S.csv", table.names, renumbered, "plain")
    summary = score_submission(truth, tmp_path / "S.csv")
    assert len(summary.per_image) == 159
    assert (summary.foreground, summary.all_pixels) == (1.0, 1.0)
