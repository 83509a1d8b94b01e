"""Scores of whole submissions: scikit-learn is the oracle, at real size."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from fewshot.errors import InputError
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.metrics.slice_metrics import METRICS
from fewshot.slices.groups import read_groups
from fewshot.slices.label_csv import read_label_csv, write_label_csv
from fewshot.submission.scoring import compare_annotators, score_submission, write_score_table
from fewshot.submission.submission import write_submission


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
    report = score_submission(tmp_path / "Y.csv", tmp_path / "S.csv.gz")

    assert list(report.scores.per_image) == ["0.png", "1.png", "2.png"]
    expected_all = [
        adjusted_rand_score(truth.ravel(), prediction.ravel())
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    expected_foreground = [
        adjusted_rand_score(truth[truth != 0], prediction[truth != 0])
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    scores = list(report.scores.per_image.values())
    assert [one["ari_all"] for one in scores] == pytest.approx(expected_all, abs=1e-12)
    assert [one["ari_foreground"] for one in scores] == pytest.approx(
        expected_foreground, abs=1e-12
    )
    assert report.scores.mean("ari_all") == pytest.approx(np.mean(expected_all), abs=1e-12)
    foreground = report.scores.mean("ari_foreground")
    assert foreground == pytest.approx(np.mean(expected_foreground), abs=1e-12)
    assert scores[0]["ari_all"] == scores[0]["iou"] == scores[0]["kappa_regions"] == 1.0


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
    write_label_csv(tmp_path / "Y.csv", ["0.png", "1.png"], [np.ones((2, 2), dtype=np.uint8)] * 2)
    write_label_csv(tmp_path / "S.csv", names, [np.ones((size, size), dtype=np.uint8)] * len(names))
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
    report = score_submission(truth, tmp_path / "S.csv")
    assert report.scores.images == 159
    for name, metric in METRICS.items():
        if metric.higher_is_better is not None:
            assert report.scores.mean(name) == (1 if metric.higher_is_better else 0), name


@pytest.fixture
def noisy(headneck: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The real test labels, and the same moved by some pixels; slice 3 without a true region."""
    table = read_label_csv(headneck / "Y_test.csv.gz")
    maps = [ids.reshape(160, 160).copy() for ids in table.pixels]
    maps[3][:] = 0
    moved = [np.roll(ids, index % 7, axis=1) for index, ids in enumerate(maps)]
    write_label_csv(tmp_path / "Y.csv", table.names, maps)
    write_label_csv(tmp_path / "S.csv", table.names, moved)
    return tmp_path / "Y.csv", tmp_path / "S.csv"


def test_workers_do_not_change_the_result(noisy: tuple[Path, Path]) -> None:
    one = score_submission(*noisy, workers=1)
    for workers in (2, 5, 1000):
        many = score_submission(*noisy, workers=workers)
        assert many == one
        assert list(many.scores.per_image) == list(one.scores.per_image)


def test_intervals_are_resampled_by_patient(headneck: Path, noisy: tuple[Path, Path]) -> None:
    groups = headneck / "groups_test.csv"
    report = score_submission(*noisy, groups)
    by_image = score_submission(*noisy)
    known = read_groups(groups)
    assert report.group_of == {name: known[name] for name in report.scores.per_image}
    values = np.array([[*one.values()] for one in report.scores.per_image.values()], float)
    expected = bootstrap_means(values, [known[name] for name in report.scores.per_image])
    assert list(report.scores.means.values()) == expected
    assert by_image.group_of is None
    for name in METRICS:
        low, high = report.scores.means[name].interval or (2, 2)
        assert low <= report.scores.mean(name) == by_image.scores.mean(name) <= high
    assert report.empty() == ["3.png"]


def test_a_group_for_every_image(noisy: tuple[Path, Path], tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("image,patient\n0.png,a\n1,b\n")
    with pytest.raises(InputError, match=r"groups.csv: no group for '2.png', '3.png', '4.png'"):
        score_submission(*noisy, groups)


def test_table_as_csv_and_as_json(headneck: Path, noisy: tuple[Path, Path], tmp_path: Path) -> None:
    report = score_submission(*noisy, headneck / "groups_test.csv")
    write_score_table(tmp_path / "table.json", report)
    write_score_table(tmp_path / "table.csv", report)
    rows = json.loads((tmp_path / "table.json").read_text())
    assert rows == report.rows()
    with (tmp_path / "table.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["image"] for row in read] == list(report.scores.per_image)
    assert list(read[0]) == ["image", "group", *METRICS]
    # Written so that the same numbers are read.
    assert [float(row["ari_all"]) for row in read] == [row["ari_all"] for row in rows]
    assert read[5]["group"] == rows[5]["group"] != ""


def label(size: int, *rows: int) -> NDArray[np.uint8]:
    """Return a label map with one region on the given rows."""
    label_map = np.zeros((size, size), dtype=np.uint8)
    label_map[list(rows)] = 4
    return label_map


def test_annotators_are_compared_where_both_labelled(tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    write_label_csv(a, ["0.png", "1.png", "2.png"], [label(4, 0), label(4, 1), label(4)])
    write_label_csv(b, ["3", "2", "1"], [label(4, 1), label(4, 2), label(4, 1)], "plain")
    agreement = compare_annotators(a, b)
    assert list(agreement.report.scores.per_image) == ["1.png"]
    assert agreement.report.scores.mean("kappa") == 1.0
    assert (agreement.only_a, agreement.only_b) == (["0.png"], ["3", "2"])
    counted = compare_annotators(a, b, count_empty=True)
    assert counted.report.scores.of_images("kappa") == {"1.png": 1, "2.png": 0}
    write_label_csv(tmp_path / "c.csv", ["7"], [label(4, 1)])
    with pytest.raises(InputError, match=r"a.csv: no image is labelled both here and in .*c.csv"):
        compare_annotators(tmp_path / "c.csv", a)
