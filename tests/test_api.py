"""What `import fewshot` offers in Python, and that it costs nothing until it is used."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewshot
from fewshot import api
from fewshot.config.load import parse_settings
from fewshot.errors import InputError
from fewshot.metrics.slice_metrics import score_label_maps
from fewshot.slices.label_csv import write_label_csv

TRUTH = np.array([[1, 1, 0], [0, 2, 2]], np.uint8)
OTHER = np.array([[1, 1, 1], [0, 0, 2]], np.uint8)
FRESH = """
import sys
import fewshot
assert callable(fewshot.load) and callable(fewshot.score) and callable(fewshot.api.run)
print(*sorted({"torch", "detectron2", "cv2", "scipy", "pandas", "matplotlib"} & set(sys.modules)))
"""


def test_importing_loads_nothing_heavy() -> None:
    root = str(Path(fewshot.__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == []


def test_an_unknown_name_is_none_of_the_package() -> None:
    with pytest.raises(AttributeError, match="'fewshot' has no attribute 'train'"):
        fewshot.train  # noqa: B018


def test_label_maps_score_as_single_slices_do() -> None:
    expected = score_label_maps(TRUTH, OTHER)
    assert fewshot.score(TRUTH, OTHER).per_image == {"0": expected}
    both = fewshot.score([TRUTH, TRUTH], np.stack([OTHER, TRUTH]))
    assert both.images == 2
    assert both.mean("dice") == pytest.approx((expected["dice"] + 1) / 2)


def test_label_csvs_score_as_the_command_does(tmp_path: Path) -> None:
    for name, labels in (("truth.csv", TRUTH), ("other.csv", OTHER)):
        write_label_csv(tmp_path / name, ["0.png"], [labels])
    found = fewshot.score(tmp_path / "truth.csv", str(tmp_path / "other.csv"))
    assert found.per_image == {"0.png": score_label_maps(TRUTH, OTHER)}


@pytest.mark.parametrize(
    ("truth", "prediction", "raises"),
    [
        (TRUTH, [TRUTH, TRUTH], "2 predicted label maps for 1 true"),
        (TRUTH, "a.csv", "two label CSVs, or label maps of both"),
        (TRUTH, TRUTH[:1], "shape"),
        ([], [], "no slice"),
    ],
)
def test_what_does_not_fit_is_refused(truth: Any, prediction: Any, raises: str) -> None:
    with pytest.raises(InputError, match=raises):
        fewshot.score(truth, prediction)


def test_paths_of_data_go_over_those_of_the_settings(tmp_path: Path) -> None:
    tree = {"data": {"train_images": "A", "train_labels": "B", "test_images": "C"}, "seed": 3}
    (tmp_path / "run.yaml").write_text("seed: 3\ndata: {train_images: A, test_images: C}\n")
    data = {"train_labels": Path("D")}
    for given in (tree, tmp_path / "run.yaml", parse_settings(tree)):
        found = api._settings(given, data)
        assert found.seed == 3
        assert found.data.train_images == Path("A")
        assert found.data.train_labels == Path("D")


def test_a_run_needs_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data"):
        api.run(out=tmp_path / "run", images=tmp_path)
    assert not (tmp_path / "run").exists()
