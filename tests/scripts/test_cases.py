"""The judge of outside cases: what it notes, on commands made here."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import Case, measured, try_case


def said(code: int, *lines: str) -> str:
    text = "".join(f"print({line!r}); " for line in lines)
    return f"{text}raise SystemExit({code})"


@pytest.mark.parametrize(
    ("script", "problems"),
    [
        (said(2, "error: a.png: is none"), []),
        (said(2, "warning: b", "error: a.png: is none"), []),
        (said(0, "error: a"), ["exit code 0"]),
        (said(2), ["0 lines, not one"]),
        (said(2, "error: a", "error: b"), ["2 lines, not one"]),
        ("raise KeyError(1)", ["exit code 1", "lines, not one", "a traceback"]),
        ("b = bytearray(500 << 20); " + said(2, "error: a"), ["MB"]),
    ],
)
def test_a_refusal_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problems: list[str]
) -> None:
    monkeypatch.setattr("cases._known", {"light": (0.5, 100.0)})
    (tmp_path / "run").mkdir()
    case = Case(tmp_path, tmp_path / "run")
    case.refused(case.run(sys.executable, "-c", script), "this")
    assert len(case.problems) == len(problems), case.problems
    assert all(words in one for words, one in zip(problems, case.problems, strict=True))


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    answer = measured(("sh", "-c", "echo begun; sleep 60"), tmp_path / "run", timeout=0.5)
    assert (answer.code, answer.text) == (-9, "begun\n")


@pytest.mark.parametrize(
    ("judge", "problems"),
    [
        (lambda case: case.take("a.txt"), []),
        (lambda case: (case.folder.parent / "x").write_text("x"), ["changed outside: ['x']"]),
        (lambda case: case.take("b.txt"), ["FileNotFoundError"]),
    ],
)
def test_a_case_runs_in_an_empty_folder(
    tmp_path: Path, judge: Callable[[Case], None], problems: list[str]
) -> None:
    (tmp_path / "a.txt").write_text("a")
    found = try_case(tmp_path, judge)
    assert len(found) == len(problems)
    assert all(words in one for words, one in zip(problems, found, strict=True))
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
