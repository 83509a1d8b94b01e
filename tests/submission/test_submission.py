"""Submissions as they are sent."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.label_rows import LabelForm
from fewshot.submission.submission import write_submission


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
