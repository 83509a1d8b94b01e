"""What a result's code is: the modules a stage imports and theirs, and no others."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import fewshot
from fewshot.code_digest import PackageCode, code_digest
from fewshot.config.load import parse_settings
from fewshot.pipeline import plan
from fewshot.run.layout import RunLayout

SOURCES = {
    "__init__.py": '__version__ = "1"',
    "progress.py": "",
    "masks/__init__.py": "",
    "masks/rle.py": "import numpy\nimport other.masks",
    "masks/merge.py": "from tool.masks.rle import encode\nfrom tool import progress",
    "report/__init__.py": "from tool.report import html",
    "report/html.py": "",
    "report/page.css": "a {}",
    "report/page.py": "import tool.masks.rle as rle",
    "stage.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from tool.masks import rle

def work():
    from tool.masks import merge

def command():
    from tool.report.page import write
""",
    "loop.py": "from tool import circle",
    "circle.py": "from tool.loop import run",
}


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("masks.rle", "masks/__init__.py masks/rle.py"),
        # What only prints, and the version, decide nothing.
        ("masks.merge", "masks/__init__.py masks/merge.py masks/rle.py"),
        # A folder's style sheet goes with its modules, and its __init__ with what that imports.
        (
            "report.page",
            "masks/__init__.py masks/rle.py report/__init__.py report/html.py report/page.css "
            "report/page.py",
        ),
        # Imports within functions count; those for type checkers and of the command do not.
        ("stage", "masks/__init__.py masks/merge.py masks/rle.py stage.py"),
        ("loop", "circle.py loop.py"),
    ],
)
def test_a_module_depends_on_what_it_imports(module: str, files: str, tmp_path: Path) -> None:
    for file, source in SOURCES.items():
        path = tmp_path / "tool" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    code = PackageCode(tmp_path / "tool")
    assert list(code.digests([f"tool.{module}", "another.package"])) == files.split()


DETECTORS: Mapping[str, Any] = {"data": {"phantom": {}}, "control": True}
ASKED = {"soft labels"}
MODELS = ("rough", "steady", "fine", "final", "control")
TRAINED = {f"train {name}" for name in MODELS}
PREDICTED = {f"predict {name}" for name in MODELS}
NETWORK = {"kind": "semantic"}
SEMANTIC: Mapping[str, Any] = {
    "data": {"phantom": {}},
    "radiologists": [{"name": "net", "model": NETWORK}],
    "final": {"model": NETWORK},
}


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., set[str]]:
    """`edited(file, tree)` → the stages of a run that an edit of a file of fewshot makes stale."""
    root = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(Path(fewshot.__file__).parent, root / "fewshot", ignore=ignored))
    before = PackageCode(package)

    def stale(file: str, tree: Mapping[str, Any]) -> set[str]:
        path, layout = package / file, RunLayout(parse_settings(tree), root / "run")
        source = path.read_text()
        path.write_text(source + "\n")
        after = PackageCode(package)
        path.write_text(source)
        return {
            stage.name
            for stage in plan.stages(layout)
            if before.digests(stage.code) != after.digests(stage.code)
        }

    return stale


@pytest.mark.parametrize(
    ("file", "tree", "stages"),
    [
        ("report/page.css", DETECTORS, {"report"}),
        ("slices/phantom_anatomy.py", DETECTORS, {"phantom", "data"}),
        ("classical/watershed.py", DETECTORS, {"score"}),
        ("detector/heads.py", DETECTORS, {*ASKED, *TRAINED, *PREDICTED}),
        ("semantic/losses.py", DETECTORS, set()),
        ("sam/refine.py", DETECTORS, set()),
        ("detector/heads.py", SEMANTIC, set()),
        (
            "semantic/losses.py",
            SEMANTIC,
            {"train net", "train final", "predict net", "predict final", "soft labels"},
        ),
        ("review/page.js", DETECTORS, set()),
        ("cli/app.py", DETECTORS, set()),
        ("config/tree.py", DETECTORS, set()),
        ("progress.py", DETECTORS, set()),
        ("pipeline/plan.py", DETECTORS, set()),
        ("__init__.py", DETECTORS, set()),
    ],
)
def test_an_edit_makes_stale_what_uses_it(
    file: str,
    tree: Mapping[str, Any],
    stages: set[str],
    edited: Callable[[str, Mapping[str, Any]], set[str]],
) -> None:
    assert edited(file, tree) == stages


def test_the_digest_of_running_code_is_the_same_every_time() -> None:
    assert code_digest("fewshot.masks.rle") == code_digest("fewshot.masks.rle")
    assert code_digest("fewshot.masks.rle") != code_digest("fewshot.masks.merge")
