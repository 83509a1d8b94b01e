"""The house's rules: which room may import which, no circles, and what stays unloaded."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import fewshot

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(fewshot.__file__).resolve().parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports_of(path: Path) -> set[str]:
    """All modules of the package that a file imports, inside functions and for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fewshot"):
            base = node.module or ""
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else base for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(MODULES)


GRAPH = {name: imports_of(path) for name, path in MODULES.items()}
# The package imports `api` only when one of its functions is asked for; see test_api.py.
GRAPH["fewshot"] -= {"fewshot.api"}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "fewshot"


def rooms_in_readme() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split("| room | what lives there |", 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name.strip("`/") for cell in cells for name in re.findall(r"`[^`]+`", cell)]


def test_readme_lists_every_room_once() -> None:
    rooms = rooms_in_readme()
    there = {room_of(module) for module in MODULES} - {"fewshot", "__main__"}
    assert sorted(rooms) == sorted(there)


def test_imports_point_up_the_list() -> None:
    place = {room: number for number, room in enumerate(rooms_in_readme())}
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if room_of(module) in place and place.get(room_of(other), -1) > place[room_of(module)]
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circles(GRAPH)


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules of which each reaches each other; from the transitive closure."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += graph[module]
        return seen

    reach = {module: reached(module) for module in graph}
    inside = [module for module in graph if module in reach[module]]
    groups: list[set[str]] = []
    for module in inside:
        group = {other for other in inside if other in reach[module] and module in reach[other]}
        if group not in groups:
            groups.append(group)
    return groups


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [{"b", "c"}, {"d"}]


@pytest.mark.parametrize(
    ("package", "room"), [("detectron2", "detector"), ("segment_anything", "sam")]
)
def test_only_one_room_imports(package: str, room: str) -> None:
    others = [
        name
        for name, path in MODULES.items()
        if room_of(name) != room and package in top_level_names(path)
    ]
    assert not others


def top_level_names(path: Path) -> set[str]:
    names: Iterable[str] = ()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [*names, *(alias.name for alias in node.names)]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [*names, node.module or ""]
    return {name.partition(".")[0] for name in names}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running some code."""
    program = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    answer = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return set(answer.stdout.split("\n")[-2].split())


def test_help_loads_no_heavy_package() -> None:
    loaded = loaded_by(
        "from typer.testing import CliRunner\n"
        "from fewshot.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
    )
    heavy = {"torch", "detectron2", "cv2", "matplotlib", "skimage", "scipy", "pandas"}
    assert not heavy & loaded


def test_torch_stays_unloaded_below_the_networks() -> None:
    rooms = rooms_in_readme()
    light = set(rooms[: rooms.index("layers")])
    modules = [name for name in MODULES if room_of(name) in light]
    loaded = loaded_by("\n".join(f"import {name}" for name in modules))
    assert not {"torch", "detectron2"} & loaded
