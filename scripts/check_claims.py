"""Check what README and docs claim against files, code and data; print what does not hold.

    python scripts/check_claims.py            # exit code 1 when a claim does not hold
    python scripts/check_claims.py --write    # also write the generated tables anew

Checked: tables generated from `results/*.json`; the arithmetic of every gain; how many patients
some number of labelled slices comes from (with the data set at hand); the table of dependencies
against pyproject.toml, and both against what the package imports; commands and options in shell
blocks; Python blocks; files and tests that are named. Needs no network and trains nothing.
"""

import argparse
import ast
import csv
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from results_table import table_of

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FEWSHOT_DATA", ROOT.parent / "shared" / "data"))
_ROUNDING = 0.00151  # three figures of three decimals each
_NUMBER = re.compile(r"[+\-−]?\d+\.\d+")
_GENERATED = re.compile(r"(<!-- results: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_PATH = re.compile(r"`?\b((?:tests|scripts|configs|docs|results)/[\w./-]+\.\w+)")


class Table(NamedTuple):
    """A Markdown table: the line it starts at, its headings, and its rows of cells."""

    line: int
    headings: list[str]
    rows: list[list[str]]


def pages() -> list[Path]:
    """README, the changelog's neighbours, and all pages of docs."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def tables(text: str) -> Iterator[Table]:
    """Yield the tables of a Markdown text."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not re.fullmatch(r"\|[\s:|-]+\|", line) or number == 0:
            continue
        rows = []
        for row in lines[number + 1 :]:
            if not row.startswith("|"):
                break
            rows.append(_cells(row))
        yield Table(number, _cells(lines[number - 1]), rows)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _numbers(cell: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in _NUMBER.findall(cell)]


def gains(text: str) -> Iterator[str]:
    """Yield what is wrong with gains: final minus control, inside its interval, bold if sure."""
    for table in tables(text):
        for place, heading in enumerate(table.headings):
            if not heading.startswith("gain"):
                continue
            for row in table.rows:
                if place < len(row):
                    yield from _gain(row, place, f"line {table.line + 1}: {' | '.join(row)}")


def _gain(row: list[str], place: int, where: str) -> Iterator[str]:
    told = _numbers(row[place])
    if not told:
        return
    gain, *interval = told
    sides = [_numbers(row[place - 2]), _numbers(row[place - 1])]
    if all(len(side) == 1 for side in sides) and place >= 2:
        difference = sides[1][0] - sides[0][0]
        if abs(difference - gain) > _ROUNDING:
            yield f"{where}: the gain is {gain:+.3f}, final minus control {difference:+.3f}"
    if len(interval) == 2:
        low, high = interval
        if not low - _ROUNDING <= gain <= high + _ROUNDING:
            yield f"{where}: the gain {gain:+.3f} is outside its interval"
        if "**" in row[place] and low <= 0 <= high:
            yield f"{where}: bold, although the interval holds zero"
    elif "**" in row[place]:
        yield f"{where}: bold without an interval"


def generated(text: str) -> tuple[str, list[str]]:
    """Return the text with its generated tables made anew, and which of them had differed."""
    differing: list[str] = []

    def renew(match: re.Match[str]) -> str:
        opening, name, body, closing = match.groups()
        path = ROOT / "results" / f"{name}.json"
        if not path.is_file():
            differing.append(f"results/{name}.json: is not there, but a table is made from it")
            return match[0]
        table = table_of(path)
        if table != body:
            differing.append(f"the table of results/{name}.json is not what the file says")
        return f"{opening}{table}{closing}"

    return _GENERATED.sub(renew, text), differing


def patients(text: str, groups: Path) -> Iterator[str]:
    """Yield counts of patients that contradict the data set's table of groups."""
    if not groups.is_file():
        return
    with groups.open(newline="", encoding="utf-8") as file:
        of = [row["patient"] for row in csv.DictReader(file)]
    told = re.compile(
        r"\b(23|46|92)(?: of the 92)?(?: labelled)?(?: slices)?(?:, of| of| \() ?(\d+) patients"
    )
    for match in told.finditer(text):
        slices, count = int(match[1]), int(match[2])
        true = len(set(of[:slices]))
        if count != true:
            yield f"{match[0]!r}: by {groups.name} they are of {true}"


def commands(text: str) -> Iterator[str]:
    """Yield commands and options of shell blocks that `fewshot` does not have."""
    import typer.main

    from fewshot.cli.app import app

    top = typer.main.get_command(app)
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = re.sub(r"\s#.*", "", line).split()
            starts = [place for place, word in enumerate(words) if word.endswith("fewshot")]
            if starts and not line.lstrip().startswith("#"):
                yield from _command(top, words[starts[0] + 1 :], line.strip())


def _command(command: Any, words: list[str], line: str) -> Iterator[str]:
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            if words[0][:1].isalpha() and words[0].islower():
                yield f"{line}: no command {words[0]!r}"
            return
        command, words = command.commands[words[0]], words[1:]
    known = {name for one in command.params for name in [*one.opts, *one.secondary_opts]}
    for word in words:
        option = word.split("=")[0].rstrip("]")
        if re.fullmatch(r"--[a-z][\w-]*", option) and option not in known | {"--help"}:
            yield f"{line}: no option {option}"


def python_blocks(text: str) -> Iterator[str]:
    """Yield Python blocks that do not parse, or import what fewshot does not have."""
    import importlib

    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        try:
            tree = ast.parse(block)
        except SyntaxError as error:
            yield f"a Python block does not parse: {error}"
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fewshot"):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        yield f"{node.module} has no {alias.name}"


def named_files(text: str) -> Iterator[str]:
    """Yield files of this project that a page names and that are not there."""
    for name in sorted(set(_PATH.findall(text))):
        if not (ROOT / name).exists() and "*" not in name:
            yield f"{name}: is named, but there is no such file"


def dependencies() -> Iterator[str]:
    """Yield differences between pyproject.toml, the page of dependencies, and the imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = {_plain(text) for text in project["dependencies"]}
    own = {"fewshot", "detectron2"}
    optional = {
        _plain(text)
        for name, extra in extras.items()
        if name not in ("dev", "docs")
        for text in extra
    }
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = {_plain(name) for name in re.findall(r"`([\w.-]+)`", _first_column(page))}
    for name in sorted((needed | optional) - listed - own):
        yield f"{name}: is a dependency, but has no row in docs/dependencies.md"
    for name in sorted(listed - needed - optional - own):
        yield f"{name}: has a row in docs/dependencies.md, but is no dependency"
    for name in sorted(imported() - needed - optional - own):
        yield f"{name}: is imported by the package, but is no dependency of it"


def imported() -> set[str]:
    """Return the distributions that the package's own code imports, in plain spelling."""
    names: set[str] = set()
    for path in (ROOT / "fewshot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").partition(".")[0])
    providers = metadata.packages_distributions()
    outside = names - set(sys.stdlib_module_names) - {"fewshot"}
    return {_plain(providers.get(name, [name])[0]) for name in outside}


def _first_column(page: str) -> str:
    return "\n".join(row[0] for table in tables(page) for row in table.rows)


def _plain(requirement: str) -> str:
    name = re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str] | None = None) -> int:
    """Print every claim that does not hold; return 1 if there is one, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write generated tables anew")
    write = parser.parse_args(arguments).write
    problems = [f"dependencies: {problem}" for problem in dependencies()]
    for path in pages():
        text = path.read_text(encoding="utf-8")
        renewed, differing = generated(text)
        if write and renewed != text:
            path.write_text(renewed, encoding="utf-8")
            text, differing = renewed, []
        groups = DATA / "headneck" / "groups.csv"
        checks = [gains(text), patients(text, groups), commands(text), python_blocks(text)]
        found = [*differing, *(one for check in checks for one in check), *named_files(text)]
        problems += [f"{path.relative_to(ROOT)}: {problem}" for problem in found]
    print("\n".join(problems) or "every claim that can be checked holds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
