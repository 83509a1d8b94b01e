"""A folder gets all of its files, or none."""

from pathlib import Path

import pytest

from fewshot.errors import FewshotError, InputError
from fewshot.export.folder import filled_folder


@pytest.mark.parametrize("there", [True, False])
def test_the_files_appear_at_the_end(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "deep" / "down"
    if there:
        target.mkdir(parents=True)
    with filled_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "1.png").write_text("one")
        (folder / "2.png").write_text("two")
        assert not list(target.glob("*.png"))
    assert sorted(path.name for path in target.iterdir()) == ["2.png", "sub"]
    assert (target / "sub" / "1.png").read_text() == "one"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt(), ValueError("bug")])
def test_an_error_leaves_nothing(tmp_path: Path, there: bool, error: BaseException) -> None:
    target = tmp_path / "deep" / "down"
    if there:
        target.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))

    def fill() -> None:
        with filled_folder(target) as folder:
            (folder / "1.png").write_text("one")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_filled_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("weeks of work")
    for target in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="is not empty"), filled_folder(target):
            pytest.fail("it was opened")
    assert (tmp_path / "file").read_text() == "weeks of work"


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FewshotError, match="cannot be written"),
        filled_folder(tmp_path / "file" / "below"),
    ):
        pytest.fail("it was opened")
