"""A miniature run with everything in it, made once, and its report."""

from pathlib import Path

import pytest

from fewshot.config.load import parse_settings
from fewshot.pipeline.run import run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of a few iterations on a phantom of 64 x 64; leave it as it is."""
    out = tmp_path_factory.mktemp("small-run") / "small"
    names = {"rough": 5, "steady": 6, "fine": 7}
    settings = parse_settings(
        {
            "data": {"phantom": {"size": 64, "labelled": 5, "unlabelled": 3, "test": 5}},
            "device": "cpu",
            "detector": {"batch_size": 2},
            "training": {"evaluation_period": 3},
            "radiologists": [
                {"name": name, "iterations": count, "score_threshold": 0.06}
                for name, count in names.items()
            ],
            "final": {"iterations": 8},
            "logging": {"images": 1},
        }
    )
    run(settings, out)
    return out


@pytest.fixture(scope="session")
def report_of_a_run(small_run: Path) -> Path:
    """The report that the run left."""
    return small_run / "report.html"
