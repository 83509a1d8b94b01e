"""A headless Chromium for tests of pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# WebGL without a graphics card; Chromium's sandbox does not start for root.
_ARGUMENTS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a Playwright browser; the test is skipped where there is no Playwright or Chromium.

    The environment variable FEWSHOT_CHROMIUM names the program, /usr/bin/chromium otherwise.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = os.environ.get("FEWSHOT_CHROMIUM", "/usr/bin/chromium")
    if shutil.which(program) is None:
        pytest.skip(f"Chromium is not there ({program}); set FEWSHOT_CHROMIUM")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield browser
        browser.close()
