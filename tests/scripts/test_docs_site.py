import subprocess
import sys
from pathlib import Path

import pytest

import commands_reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_commands_has_every_option() -> None:
    page = commands_reference.page()
    assert "## fewshot sam refine" in page
    assert "| `--out` `path` | required | Folder to write to. |" in page


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_no_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "docs", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.glob("*.html"))
    assert {"index.html", "settings.html", "commands.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" href="http' not in text
