"""Box tables in the form of RSNA's pneumonia challenge."""

from pathlib import Path

import pytest

from fewshot.errors import InputError
from fewshot.slices.box_table import is_box_table, read_box_table

HEADER = "patientId,x,y,width,height,Target\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def test_boxes_by_patient(tmp_path: Path) -> None:
    rows = "a,264.0,152,213,379.5,1\nb,,,,,0\na,1,2,3,4,1\na,1,2,3,4,1\n"
    path = write(tmp_path / "boxes.csv", HEADER + rows)
    assert is_box_table(path)
    assert read_box_table(path) == {"a": [(264, 152, 213, 379.5), (1, 2, 3, 4)], "b": []}
    assert not is_box_table(write(tmp_path / "labels.csv", ",0.png\nPixel 0,1\n"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,1,2,3,4", "line 2: has 5 cells"),
        (",1,2,3,4,1", "line 2: has 6 cells or no patient"),
        ("a,1,2,3,4,2", "line 2: Target is '2'"),
        ("a,1,2,3,,1", "line 2: x, y, width, height must be four numbers"),
        ("a,1,2,wide,4,1", "line 2: x, y, width, height"),
        ("a,nan,2,3,4,1", "line 2: the box is not of usable numbers"),
        ("a,1,2,inf,4,1", "line 2: the box is not of usable numbers"),
        ("a,-1,2,3,4,1", "line 2: the box needs"),
        ("a,1,2,0,4,1", "line 2: the box needs"),
        ('a,"1,2,3,4,1', "not a CSV"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path / "boxes.csv", f"{HEADER}{row}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_box_table(path)
    assert str(caught.value).startswith(str(path))
