"""The package's own code that a result depends on: the modules a stage imports, and theirs.

Read from the sources, without importing anything. Imports inside functions count, except in a
function `command`, which no stage runs; imports for type checkers do not. Other files in a folder
(templates, style sheets) belong to every module in it.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import fewshot

_ASSETS = (".jinja", ".css", ".js")
_COMMAND = "command"
# Code that no result depends on: the version, messages, logs and locks; and settings and paths,
# whose values count instead.
_ASIDE = (
    "",
    "code_digest",
    "config",
    "errors",
    "lock",
    "progress",
    "run.layout",
    "run.names",
    "run.stages",
    "text",
    "training.loggers",
    "training.mlflow_logger",
    "training.tensorboard_logger",
)


class PackageCode:
    """The sources of a package at the time of creation, and their dependencies.

    Args:
        package: its folder; by default fewshot's own.
    """

    def __init__(self, package: Path = Path(fewshot.__file__).parent) -> None:
        self._name = package.name
        self._sources: dict[str, bytes] = {}
        self._files: dict[str, str] = {}
        self._assets: dict[str, list[str]] = {}
        self._digests: dict[str, str] = {}
        self._imports: dict[str, frozenset[str]] = {}
        for path in sorted(package.rglob("*")):
            file = path.relative_to(package).as_posix()
            if path.suffix == ".py":
                module = file.removesuffix(".py").replace("/", ".").removesuffix("__init__")
                self._sources[module.rstrip(".")] = source = path.read_bytes()
                self._files[module.rstrip(".")] = file
            elif path.suffix in _ASSETS:
                source = path.read_bytes()
                self._assets.setdefault(file.rpartition("/")[0], []).append(file)
            else:
                continue
            self._digests[file] = hashlib.sha256(source).hexdigest()[:16]

    def digests(self, modules: Iterable[str]) -> dict[str, str]:
        """Return file → digest of all that these modules (dotted names) depend on.

        Files are relative to the package; modules of others are passed over.
        """
        files: set[str] = set()
        for module in self._closure(modules):
            file = self._files[module]
            files |= {file, *self._assets.get(file.rpartition("/")[0], ())}
        return {file: self._digests[file] for file in sorted(files)}

    def _closure(self, modules: Iterable[str]) -> set[str]:
        found: set[str] = set()
        start = f"{self._name}."
        waiting = [one.removeprefix(start) for one in modules if one.startswith(start)]
        while waiting:
            module = waiting.pop()
            if module not in found and not self._is_aside(module):
                found.add(module)
                waiting += self._imported(module)
        return found

    def _is_aside(self, module: str) -> bool:
        return module in _ASIDE or module.partition(".")[0] in _ASIDE

    def _imported(self, module: str) -> frozenset[str]:
        """Return the package's modules that a module imports, and the folders it lies in."""
        if module not in self._imports:
            parts = module.split(".")
            found = {".".join(parts[:end]) for end in range(1, len(parts))}
            for node in _statements(ast.parse(self._sources[module])):
                found |= set(self._named(node))
            self._imports[module] = frozenset(found & self._sources.keys())
        return self._imports[module]

    def _named(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """Yield what may be modules; `from a import b` names `a`, and `a.b` if that is one."""
        start = f"{self._name}."
        if isinstance(node, ast.Import):
            yield from (one.name.removeprefix(start) for one in node.names if start in one.name)
        elif node.module and f"{node.module}.".startswith(start):
            module = f"{node.module}.".removeprefix(start)
            yield module.rstrip(".")
            yield from (f"{module}{one.name}" for one in node.names)


def _statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that take place when a module's stages run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        elif not (isinstance(node, ast.FunctionDef) and node.name == _COMMAND):
            yield from _statements(node)


@cache
def running_code() -> PackageCode:
    """Return the code of the package that is running, as it was when this was first asked."""
    return PackageCode()


def code_digest(module: str, *more: str) -> str:
    """Return a digest of all that these modules (dotted names) of the running package depend on."""
    text = json.dumps(running_code().digests([module, *more]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
