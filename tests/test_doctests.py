"""The examples in docstrings are true, and every room has one."""

import doctest
import importlib
from pathlib import Path

import pytest

import fewshot

PACKAGE = Path(fewshot.__file__).resolve().parent
EXAMPLES = sorted(
    path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")
)
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_examples_give_what_they_say(path: Path) -> None:
    module = path.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", ".")
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_an_example(room: str) -> None:
    assert [path for path in EXAMPLES if path.is_relative_to(PACKAGE / room)]
