"""What several rooms' tests share: a miniature phantom and a miniature detector."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image
from fewshot.slices.phantom import phantom_slice

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SIZE = 64


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> SliceSet:
    """Six labelled phantom slices of 64×64; the last one is without masks."""
    folder = tmp_path_factory.mktemp("miniature")
    records, masks = [], {}
    for index in range(6):
        image, label_map = phantom_slice(np.random.default_rng(index), SIZE)
        if index == 5:
            label_map = np.zeros_like(label_map)
        write_image(folder / f"{index}.png", image)
        records.append(SliceRecord(index, f"{index}.png", SIZE, SIZE))
        masks[index] = SliceMasks.from_label_map(index, label_map)
    return SliceSet(folder, tuple(records), masks)


@pytest.fixture
def spoilable(miniature: SliceSet, tmp_path: Path) -> SliceSet:
    """The miniature with image files of the test's own, for it to change or to delete."""
    folder = shutil.copytree(miniature.images, tmp_path / "images")
    return replace(miniature, images=folder)


@pytest.fixture(scope="session")
def small_detector() -> DetectorSettings:
    """Settings under which a real Detectron2 model trains in seconds."""
    return DetectorSettings(weights="none", batch_size=2)


@pytest.fixture(scope="session")
def gentle() -> AugmentationSettings:
    """Every augmentation on, none strong."""
    return AugmentationSettings(rotation=5, scale=0.05, shift=0.02)


CHROMIUM = "FEWSHOT_CHROMIUM"
"""The environment variable that names the browser of the page tests."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium under Playwright; the test is skipped where either is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = os.environ.get(CHROMIUM) or shutil.which("chromium") or shutil.which("google-chrome")
    if not path or not Path(path).is_file():
        pytest.skip(f"there is no Chromium ({path or 'none on the PATH'}); name one in {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        # A root user in a container, such as a CI job's, has no sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        # WebGL without a graphics card.
        arguments += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        found = driver.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """`visit(address, **options)` → a page of its own; at the end none may have had errors."""
    contexts, problems = [], []

    def open_page(address: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="session")
def accessibility() -> Callable[[Any], list[str]]:
    """`accessibility(page)` → what axe-core finds serious or critical, one line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")

    def check(page: Any) -> list[str]:
        found = axe.Axe().run(page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    return check


@pytest.fixture(scope="session")
def headneck() -> Path:
    """The folder of the real head and neck set; the test is skipped where it is absent."""
    return real_data("headneck")


@pytest.fixture(scope="session")
def abdomen() -> Path:
    """The folder of the real abdominal volume; the test is skipped where it is absent."""
    return real_data("abdomen")


def real_data(name: str) -> Path:
    """Return a folder of real data, or skip the test."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("FEWSHOT_DATA", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"the real data are not there ({folder}); set FEWSHOT_DATA")
    return folder
