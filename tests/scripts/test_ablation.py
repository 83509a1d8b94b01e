"""The ablation: its matrix, the held-out slices, its tables, and one miniature matrix for real."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ablation import cells, main, read_matrix
from ablation_holdout import Fold, Patients, holdout_data
from ablation_table import RowScores, SlicesOfModels, write_tables
from fewshot.config.base import Metric
from fewshot.config.load import load_settings
from fewshot.config.tree import DataSettings
from fewshot.errors import InputError
from fewshot.metrics.slice_metrics import METRICS
from fewshot.slices.groups import read_groups
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.phantom import PhantomSettings, write_phantom


def write_matrix(folder: Path, **changes: object) -> Path:
    tree = {"base": "base.yaml", "labelled": [6], "rows": {"naive": []}, **changes}
    (folder / "matrix.yaml").write_text(yaml.safe_dump(tree))
    return folder / "matrix.yaml"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": {}}, "rows: "),
        ({"labelled": [0]}, r"labelled\.0: "),
        ({"seed": 1}, "seed: "),
        ({"base": None}, "base: "),
        ({"folds": 1}, "folds: "),
        ({"folds": 2, "holdout": True}, "folds: hold slices out already"),
    ],
)
def test_a_wrong_matrix_is_one_line(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"matrix\.yaml: {words}") as error:
        read_matrix(write_matrix(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_rows_of_the_same_data_and_seed_follow_one_another(tmp_path: Path) -> None:
    rows: dict[str, list[str]] = {"a": [], "b": []}
    matrix = read_matrix(write_matrix(tmp_path, rows=rows, labelled=[9, 4], seeds=[0, 1]))
    assert matrix.base == tmp_path / "base.yaml"
    assert [cell.name for cell in cells(matrix)] == [
        *("a-9-0", "b-9-0", "a-9-1", "b-9-1"),
        *("a-4-0", "b-4-0", "a-4-1", "b-4-1"),
    ]


@pytest.mark.parametrize("name", ["explore", "folds", "headneck"])
def test_our_own_matrices_hold_settings_that_exist(name: str) -> None:
    configs = Path(__file__).resolve().parents[2] / "configs"
    matrix = read_matrix(configs / "ablation" / f"{name}.yaml")
    for overrides in matrix.rows.values():
        load_settings(matrix.base, [*matrix.settings, *overrides])


def test_held_out_slices_are_the_labelled_ones_that_no_training_sees(tmp_path: Path) -> None:
    write_phantom(tmp_path / "all", PhantomSettings(size=64, labelled=7, unlabelled=3, test=1))
    images, labels = tmp_path / "all" / "X_train", tmp_path / "all" / "Y_train.csv.gz"
    data = DataSettings(
        train_images=images, train_labels=labels, test_images=tmp_path / "all" / "X_test"
    )
    found = holdout_data(data, 5, tmp_path / "held")
    assert found.train_images is not None
    assert found.train_labels is not None
    assert found.test_images is not None
    assert found.test_labels is not None
    before = read_label_csv(labels)
    train, test = read_label_csv(found.train_labels), read_label_csv(found.test_labels)
    assert len(test.names) == 2
    assert len(train.names) == 8
    assert set(train.names) | set(test.names) == set(before.names)
    assert sum(row.any() for row in train.pixels) == 5
    for table, folder in ((train, found.train_images), (test, found.test_images)):
        assert {path.name for path in folder.iterdir()} == set(table.names)
        for name in table.names:
            same = before.label_map(name, 64, 64)
            np.testing.assert_array_equal(table.label_map(name, 64, 64), same)
            assert (folder / name).read_bytes() == (images / name).read_bytes()
    with pytest.raises(InputError, match="all of 7 labelled slices are used"):
        holdout_data(data, 7, tmp_path / "none")


def test_folds_hold_out_the_labelled_slices_of_every_patient_once(tmp_path: Path) -> None:
    write_phantom(tmp_path, PhantomSettings(size=64, labelled=5, unlabelled=3, test=1))
    images, labels = tmp_path / "X_train", tmp_path / "Y_train.csv.gz"
    groups = tmp_path / "patients.csv"
    names = read_label_csv(labels).names
    patient_of = dict(zip(names, ["p", "p", "q", "r", "r", "s", "s", "s"], strict=True))
    groups.write_text("".join(f"{a},{b}\n" for a, b in [("image", "patient"), *patient_of.items()]))
    data = DataSettings(
        train_images=images,
        train_labels=labels,
        test_images=tmp_path / "X_test",
        groups=groups,
    )
    held_out: list[str] = []
    for index in range(2):
        found = holdout_data(data, Fold(index, 2), tmp_path / f"fold{index}")
        assert found.train_labels is not None
        assert found.test_labels is not None
        train = read_label_csv(found.train_labels).names
        test = read_label_csv(found.test_labels).names
        assert set(train) == set(names) - set(test)
        assert {patient_of[name] for name in test} == ({"p", "r"} if index == 0 else {"q"})
        assert found.test_groups is not None
        assert set(read_groups(found.test_groups)) == set(test)
        held_out += test
    assert sorted(held_out) == sorted(names[:5])  # those with labels
    for number, folds, words in ((0, 4, "patients: 4 wanted of 3"), (1, 2, "need data.groups")):
        wrong = data if number == 0 else data.model_copy(update={"groups": None})
        with pytest.raises(InputError, match=words):
            holdout_data(wrong, Fold(0, folds), tmp_path / f"wrong{number}")


def test_no_patient_is_trained_and_scored_on(tmp_path: Path) -> None:
    write_phantom(tmp_path, PhantomSettings(size=64, labelled=6, unlabelled=2, test=1))
    labels, groups = tmp_path / "Y_train.csv.gz", tmp_path / "patients.csv"
    names = read_label_csv(labels).names
    patient_of = dict(zip(names, "pqpqrruu", strict=True))
    groups.write_text("".join(f"{a},{b}\n" for a, b in [("image", "patient"), *patient_of.items()]))
    data = DataSettings(
        train_images=tmp_path / "X_train",
        train_labels=labels,
        test_images=tmp_path / "X_test",
        groups=groups,
    )
    with pytest.raises(InputError, match=r"2 of the 4 slices beyond the first 2 are of patients"):
        holdout_data(data, 2, tmp_path / "leak")
    found = holdout_data(data, Patients(2), tmp_path / "whole")
    assert found.test_labels is not None
    assert {patient_of[name] for name in read_label_csv(found.test_labels).names} == {"r"}
    with pytest.raises(InputError, match="patients: 5 wanted of 3"):
        holdout_data(data, Patients(5), tmp_path / "many")


def test_the_table_of_folds_takes_each_slice_from_the_run_that_scored_it(tmp_path: Path) -> None:
    first = scores([0.5, 0.7], [0.4, 0.6], "ab")
    second = scores([0.9], [0.5], "c")
    write_tables({6: [RowScores("v", 0, first, {}), RowScores("v", 1, second, {})]}, None, tmp_path)
    line = json.loads((tmp_path / "table.json").read_text())[0]
    assert (line["final"], line["control"], line["gain"]) == pytest.approx((0.7, 0.5, 0.2))


def scores(
    final: list[float], control: list[float], names: str = "0123"
) -> dict[Metric, SlicesOfModels]:
    both = {
        name: {
            f"{names[place]}.png": dict.fromkeys(METRICS, value)
            for place, value in enumerate(values)
        }
        for name, values in (("rough", [0.1] * len(final)), ("final", final), ("control", control))
    }
    return {"all": both, "foreground": both}


def test_the_table_holds_mean_gains_and_their_intervals_by_patient(tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("image,patient\n0.png,p\n1.png,p\n2.png,q\n3.png,q\n")
    runs = [
        RowScores("vote", 0, scores([0.5, 0.7, 0.6, 0.8], [0.4, 0.6, 0.6, 0.8]), {}),
        RowScores("vote", 1, scores([0.7, 0.9, 0.6, 0.8], [0.6, 0.8, 0.6, 0.8]), {}),
    ]
    write_tables({6: runs}, groups, tmp_path)
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [line["variant"] for line in lines] == ["all", "foreground"]
    line = lines[0]
    assert (line["row"], line["labelled"], line["seeds"]) == ("vote", "6", "2")
    assert float(line["final"]) == pytest.approx(0.7)
    assert float(line["control"]) == pytest.approx(0.65)
    # One patient gains 0.1 on every slice, the other nothing: drawn together, from 0 to 0.1.
    gain, low, high = (float(line[key]) for key in ("gain", "low", "high"))
    assert (gain, low, high) == pytest.approx((0.05, 0.0, 0.1))
    for name in ("dice", "missed", "extra", "ap50"):
        found = [
            float(line[f"{name}_{key}"]) for key in ("control", "final", "gain", "low", "high")
        ]
        assert found == pytest.approx([0.65, 0.7, 0.05, 0.0, 0.1])
    assert json.loads((tmp_path / "table.json").read_text())[0]["gain"] == pytest.approx(0.05)
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "curve.png").exists()


def test_several_numbers_of_labelled_slices_make_a_curve(tmp_path: Path) -> None:
    few = [RowScores("vote", 0, scores([0.5, 0.7], [0.4, 0.6]), {})]
    many = [RowScores("vote", 0, scores([0.8, 0.9], [0.7, 0.8]), {})]
    write_tables({9: many, 3: few}, None, tmp_path)
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [(line["labelled"], line["final"]) for line in lines[::2]] == [
        ("9", "0.85"),
        ("3", "0.6"),
    ]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_matrix_runs_each_row_once(tmp_path: Path) -> None:
    base = {
        "data": {"phantom": {"size": 64, "labelled": 6, "unlabelled": 2, "test": 2}},
        "device": "cpu",
        "detector": {"batch_size": 2},
        "training": {"evaluation_period": 0},
        "radiologists": [{"name": "rough", "iterations": 3, "score_threshold": 0.06}],
        "final": {"iterations": 3},
    }
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    rows = {"naive": [], "weighed": ["experimental.score_weighted_loss=true"]}
    matrix, out = write_matrix(tmp_path, rows=rows), tmp_path / "out"
    assert main([str(matrix), "--out", str(out)]) == 0
    lines = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert [(line["row"], line["variant"]) for line in lines] == [
        (row, variant) for row in rows for variant in ("all", "foreground")
    ]
    assert lines[0]["control"] == lines[2]["control"]
    times = {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    assert len(times) == 2
    assert main([str(matrix), "--out", str(out)]) == 0
    assert times == {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    assert main([str(matrix), "--out", str(out), "--only", "other"]) == 2


@pytest.mark.slow
def test_run_directories_are_worked_on_at_once(tmp_path: Path) -> None:
    write_phantom(tmp_path / "all", PhantomSettings(size=64, labelled=12, unlabelled=2, test=1))
    base = {
        "data": {
            "train_images": str(tmp_path / "all" / "X_train"),
            "train_labels": str(tmp_path / "all" / "Y_train.csv.gz"),
            "test_images": str(tmp_path / "all" / "X_test"),
            "groups": str(tmp_path / "all" / "groups.csv"),
        },
        "device": "cpu",
        "detector": {"batch_size": 2},
        "training": {"evaluation_period": 0},
        "radiologists": [{"name": "rough", "iterations": 3, "score_threshold": 0.06}],
        "final": {"iterations": 3},
    }
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    matrix = write_matrix(tmp_path, labelled=[4], folds=2, seeds=[0, 1])
    assert main([str(matrix), "--out", str(tmp_path / "out"), "--jobs", "2"]) == 0
    line = next(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    assert (line["labelled"], line["seeds"]) == ("4", "2")
    for run in ("4-0", "4-1"):
        assert "test slices" in (tmp_path / "out" / "logs" / f"{run}.log").read_text()
    assert main([str(matrix), "--out", str(tmp_path / "out"), "--jobs", "0"]) == 2
    wrong = write_matrix(tmp_path, rows={"fine": [], "wrong": ["final.iterations=none"]})
    assert main([str(wrong), "--out", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other" / "runs").exists()
