from pathlib import Path

import pytest

import check_claims

GAIN = "| labelled | control | final | gain (95 %) |\n|---|---|---|---|\n| 23 | {} |\n"


def test_every_claim_that_can_be_checked_holds(capsys: pytest.CaptureFixture[str]) -> None:
    code = check_claims.main([])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ("0.656 | 0.700 | **+0.044** (0.032 to 0.056)", ""),
        ("0.746 | 0.746 | +0.000 (−0.007 to 0.010)", ""),
        ("0.656 | 0.700 | **+0.054** (0.032 to 0.056)", "final minus control +0.044"),
        ("0.656 | 0.700 | +0.044 (0.046 to 0.056)", "outside its interval"),
        ("0.735 | 0.746 | **+0.011** (−0.001 to 0.023)", "the interval holds zero"),
        ("0.656 | 0.700 | **+0.044**", "bold without an interval"),
    ],
)
def test_gains_are_what_their_columns_say(cells: str, wrong: str) -> None:
    found = list(check_claims.gains(GAIN.format(cells)))
    assert bool(found) == bool(wrong)
    assert all(wrong in problem for problem in found)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("| 23, of 3 patients |", 1),
        ("with 3 labelled slices, 2 patients", 0),
        ("23 of the 92 labelled slices (3 patients)", 1),
        ("| 23, of 2 patients |", 0),
    ],
)
def test_patients_are_counted(text: str, problems: int, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,patient\n" + "".join(f"{n}.png,p{n % 2}\n" for n in range(92)))
    assert len(list(check_claims.patients(text, table))) == problems


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("fewshot convert --images a --labels b --out c", 0),
        ("fewshot convert --pictures a --out c", 1),
        ("fewshot covert --images a", 1),
        (".venv/bin/fewshot sam refine --checkpoint vit_b --predictions a --out b  # why --not", 0),
        ("pip install 'fewshot[review]'", 0),
    ],
)
def test_commands_of_pages_are_there(line: str, problems: int) -> None:
    assert len(list(check_claims.commands(f"```sh\n{line}\n```"))) == problems


def test_a_generated_table_without_its_file_is_told() -> None:
    text = "<!-- results: no_such_result -->\n<!-- end -->"
    assert check_claims.generated(text)[1]
