import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from fewshot.extras import EXTRAS

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def test_each_module_is_brought_by_the_extra_that_is_named() -> None:
    distributions = metadata.packages_distributions()
    for module, extra in EXTRAS.items():
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions[module]}
        wanted = PROJECT["optional-dependencies"][extra]
        assert names & {re.split(r"[\s<>=]", one)[0].lower() for one in wanted}, module


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("nibabel", "error: nibabel is not installed; pip install 'fewshot[volume]'"),
        ("detectron2", "error: Detectron2 is not installed; run: fewshot setup"),
    ],
)
def test_a_command_that_lacks_an_extra_names_it(module: str, line: str) -> None:
    program = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from fewshot.cli import app\n"
        f"def work() -> None: import {module}\n"
        "app.app.command('work')(work)\n"
        "sys.argv = ['fewshot', 'work']\n"
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (2, line)
