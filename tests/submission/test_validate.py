"""What a user is told about a submission before it is sent."""

from pathlib import Path

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.slices.images import write_image
from fewshot.slices.label_csv import read_label_csv
from fewshot.submission.submission import write_submission
from fewshot.submission.validate import Findings, validate_submission

NAMED = ",0.png,1.png,2.png\n" + "".join(f"Pixel {pixel},0,1,2\n" for pixel in range(4))
PLAIN = ",0,1,2\n" + "".join(f"{pixel},0,1,2\n" for pixel in range(4))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three slices of 2 x 2."""
    for number in range(3):
        write_image(tmp_path / "X_test" / f"{number}.png", np.zeros((2, 2), dtype=np.uint8))
    return tmp_path / "X_test"


@pytest.mark.parametrize(
    ("content", "findings"),
    [
        (NAMED, []),
        (PLAIN, []),
        # Broken files: what the reader says is the one finding.
        ("", ["no header"]),
        (
            NAMED.replace("Pixel 2", "Pixel 3"),
            ["line 4, column 1: index 'Pixel 3' where 'Pixel 2'"],
        ),
        (NAMED[:-3], ["line 5 has 3 cells where the header has 4"]),
        (
            NAMED.replace("1,0,1,2", "1,0,1.0,2"),
            ["line 3, column '1.png': '1.0' is not an integer"],
        ),
        (NAMED.replace("1,0,1,2", "1,0,-1,2"), ["line 3, column '1.png': '-1' is not an integer"]),
        (NAMED.replace("3,0,1,2", "3,0,1,256"), ["line 5, column '2.png': id '256' is above 255"]),
        # Header and index.
        ("pixel" + NAMED, ["line 1, column 1: 'pixel' where the cell belongs empty"]),
        (NAMED.replace("Pixel ", ""), ["line 2: index '0' under image names"]),
        (PLAIN.replace(",0,1,2\n", ",0.png,1.png,2.png\n", 1), ["line 2: index '0' under image"]),
        (NAMED.replace(".png", ""), ["line 2: index 'Pixel 0' under plain image numbers"]),
        (NAMED.replace("2.png", "2"), [r"both names with a suffix \('0.png' and 1 more\)"]),
        # Images.
        (NAMED.replace("0.png,1.png", "1.png,0.png"), ["line 1, column 2: '1.png' where '0.png'"]),
        (NAMED.replace("2.png", "3.png"), ["no column for '2.png'", "no image for column '3.png'"]),
        # A row too few, a row too many.
        (NAMED.removesuffix("Pixel 3,0,1,2\n"), ["3 pixel rows, but .* are 2 x 2 = 4 pixels"]),
        (NAMED + "Pixel 4,0,1,2\n", ["5 pixel rows, but '0.png', '1.png', '2.png' of the images"]),
    ],
)
def test_findings(tmp_path: Path, images: Path, content: str, findings: list[str]) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(content)
    found = validate_submission(path, images).errors
    assert len(found) == len(findings)
    for line, pattern in zip(found, findings, strict=True):
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        with pytest.raises(InputError, match=pattern):
            raise InputError(line)


def test_without_images_the_pixels_must_fill_a_square(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(NAMED)
    assert validate_submission(path, None).errors == []
    path.write_text(NAMED.removesuffix("Pixel 3,0,1,2\n"))
    (finding,) = validate_submission(path, None).errors
    assert "3 pixel rows fill no square image" in finding


def test_one_slice_of_another_size_is_named(tmp_path: Path, images: Path) -> None:
    write_image(images / "1.png", np.zeros((3, 5), dtype=np.uint8))
    path = tmp_path / "submission.csv"
    path.write_text(NAMED)
    (finding,) = validate_submission(path, images).errors
    assert "4 pixel rows, but '1.png' of the images are 3 x 5 = 15 pixels" in finding


def test_what_cannot_be_validated_at_all(tmp_path: Path, images: Path) -> None:
    with pytest.raises(InputError, match=r"submission\.csv: no such file"):
        validate_submission(tmp_path / "submission.csv", images)
    (tmp_path / "submission.csv").write_text(NAMED)
    with pytest.raises(InputError, match="not a readable folder of images"):
        validate_submission(tmp_path / "submission.csv", tmp_path / "X_nowhere")


@pytest.mark.parametrize("form", ["named", "plain"])
def test_what_is_written_is_valid(headneck: Path, tmp_path: Path, form: str) -> None:
    names = [f"{number}.png" for number in range(159)]
    path = tmp_path / "submission.csv"
    write_submission(path, names, [np.ones((160, 160), dtype=np.uint8)] * 159, form)  # type: ignore[arg-type]
    assert validate_submission(path, headneck / "X_test") == Findings([], [])


def test_all_zero_columns_are_a_warning(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(NAMED)
    found = validate_submission(path, images)
    assert found.errors == []
    (warning,) = found.warnings
    assert warning.startswith(f"{path}: 1 of 3 columns are all zero ('0.png')")


def test_transposed_masks_are_an_error(headneck: Path, tmp_path: Path) -> None:
    labels = read_label_csv(headneck / "Y_test.csv.gz")
    maps = [ids.reshape(160, 160).T for ids in labels.pixels]
    path = tmp_path / "submission.csv"
    write_submission(path, labels.names, maps)
    for reference, words in (
        (None, "outlines lie on edges"),
        (headneck / "Y_test.csv.gz", "is 0.04 as they stand and 1.00 transposed"),
    ):
        (finding,) = validate_submission(path, headneck / "X_test", reference).errors
        assert "the masks look transposed" in finding
        assert words in finding
    # A reference alone is enough: the images are then taken for square.
    (finding,) = validate_submission(path, None, headneck / "Y_test.csv.gz").errors
    assert "the masks look transposed" in finding
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        validate_submission(path, None, tmp_path / "nowhere.csv")
