"""The pictures of the docs: a run's report and its review page, from a headless Chromium.

The run's review.json must not exist, and does not afterwards. The browser is the one named by
FEWSHOT_CHROMIUM, or `chromium`.

Usage: python scripts/screenshots.py runs/demo docs/images
"""

import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from fewshot.review.server import ReviewServer
from fewshot.review.session import open_session

_COLORS = 200  # of the palette: a third of the size of full colour


def main(run: Path, target: Path) -> None:
    """Write report.png and review.png."""
    path = os.environ.get("FEWSHOT_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        _report(browser, run, target / "report.png")
        _review(browser, run, target / "review.png")
        browser.close()


def _report(browser: Any, run: Path, target: Path) -> None:
    """Write the answer, in light, beside the galleries, in dark."""
    halves = []
    for scheme, section in (("light", "html"), ("dark", "#slices")):
        page = browser.new_page(
            color_scheme=scheme,
            reduced_motion="reduce",
            viewport={"width": 1000, "height": 1300},
        )
        page.goto((run / "report.html").resolve().as_uri())
        page.evaluate("name => document.querySelector(name).scrollIntoView()", section)
        page.wait_for_timeout(1500)
        halves.append(Image.open(io.BytesIO(page.screenshot())))
    picture = Image.new("RGB", (sum(half.width for half in halves), halves[0].height))
    for place, half in enumerate(halves):
        picture.paste(half, (place * half.width, 0))
    _save(picture, target)


def _review(browser: Any, run: Path, target: Path) -> None:
    server = ReviewServer(open_session(run))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        page = browser.new_page(viewport={"width": 1180, "height": 720})
        page.goto(server.address)
        page.wait_for_selector("body[data-mask]")
        for key in "ard":
            page.keyboard.press(key)
            page.wait_for_timeout(600)
        _save(Image.open(io.BytesIO(page.screenshot())), target)
    finally:
        server.stop()
        thread.join()
        (run / "review.json").unlink(missing_ok=True)


def _save(picture: Image.Image, target: Path) -> None:
    small = picture.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    small.save(target, optimize=True)


if __name__ == "__main__":
    if (Path(sys.argv[1]) / "review.json").exists():
        sys.exit(f"{sys.argv[1]}/review.json: is a person's review; give another run")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
