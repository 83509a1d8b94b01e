"""The tests and files of the package that pages name are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_named_test_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).is_file() or f"def {test}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_every_named_file_of_the_package_is_there() -> None:
    rows = [line for line in PAGE.splitlines() if "::test_" in line]
    named = {name for row in rows for name in re.findall(r"`((?!tests/)[\w/]+(?:\.py|/))`", row)}
    assert len(named) > 15
    known = (ROOT, ROOT / "fewshot")
    assert [name for name in named if not any((folder / name).exists() for folder in known)] == []
