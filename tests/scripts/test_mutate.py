"""The table of mutations is of the code as it is; that they are noticed is tried by hand."""

import ast
from pathlib import Path

import pytest

from mutate import PAGE, ROOT, mutated, page
from mutations import MUTATIONS, Mutation

BY_NAME = [pytest.param(one, id=one.what) for one in MUTATIONS]


@pytest.mark.parametrize("mutation", BY_NAME)
def test_what_is_broken_is_there_once_and_stays_python(mutation: Mutation) -> None:
    broken = mutated(mutation, ROOT)
    assert broken != (ROOT / mutation.file).read_text()
    ast.parse(broken)


@pytest.mark.parametrize("mutation", BY_NAME)
def test_the_test_that_is_to_notice_it_is_there(mutation: Mutation) -> None:
    file, _, name = mutation.test.partition("[")[0].partition("::")
    names = {
        node.name
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert name in names


def test_the_page_has_every_row() -> None:
    text = Path(PAGE).read_text()
    date = text.rstrip(".\n").rpartition(" ")[2]
    assert text == page(date), "run scripts/mutate.py --write"


def test_every_promise_is_broken_once() -> None:
    numbers = {one.promise for one in MUTATIONS}
    assert numbers >= {str(number) for number in range(1, 11)}
