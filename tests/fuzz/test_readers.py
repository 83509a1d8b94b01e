"""Every reader on damaged files: it answers or refuses in one line; what was once found is kept."""

from pathlib import Path

import pytest

from fuzz import CORPUS, damaged, wrong
from fuzz_readers import READERS

ROUNDS = 40
SLOW = {"dicom": 10, "nifti": 20}


def found() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", found(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_once_found(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"x{READERS[path.parent.name].suffix or path.suffix}"
    copy.write_bytes(path.read_bytes())
    assert wrong(READERS[path.parent.name], copy) is None


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    for number in range(SLOW.get(name, ROUNDS)):
        path = damaged(READERS[name], tmp_path, 1, number)
        assert wrong(READERS[name], path) is None, f"scripts/fuzz.py --reader {name} --seed 1"


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    """The seeds are good: what is tried above is damage, not nonsense."""
    for path in READERS[name].seeds(tmp_path):
        target = tmp_path / f"whole{READERS[name].suffix or path.suffix}"
        target.write_bytes(path.read_bytes())
        READERS[name].read(target)
