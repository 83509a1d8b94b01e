"""The page in a real browser: it turns, steps, hides, and asks the network for nothing."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fewshot.config.volume import VolumeSettings
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image
from fewshot.slices.sequence import sequence_volume
from fewshot.volume.reconstruct import Request, reconstruct

SIZE, SLICES = 48, 12
YELLOW, BLUE = (255, 210, 77), (77, 210, 255)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two balls on grey slices, with the outlines of an annotator."""
    folder = tmp_path_factory.mktemp("page")
    grid = np.indices((SLICES, SIZE, SIZE)).astype(float)
    labels = np.zeros((SLICES, SIZE, SIZE), np.uint8)
    for name, (row, column) in ((1, (16, 14)), (2, (30, 34))):
        inside = ((grid[0] - 6) * 2) ** 2 + (grid[1] - row) ** 2 + (grid[2] - column) ** 2 <= 81
        labels[inside] = name
    volume = sequence_volume((SIZE, SIZE), SLICES, (1.0, 1.0, 2.0), "balls")
    records = tuple(
        SliceRecord(
            index,
            f"{index}.png",
            SIZE,
            SIZE,
            volume="balls",
            index=index,
            spacing=(1.0, 1.0),
            position=2.0 * index,
        )
        for index in range(SLICES)
    )
    for record, section in zip(records, labels, strict=True):
        grey = np.where(section > 0, 120, 40) + 5 * record.image_id
        write_image(folder / record.file_name, grey.astype(np.uint8))
    for file, moved in (("model.json", labels), ("ann.json", np.roll(labels, 3, axis=2))):
        masks = {
            index: SliceMasks.from_label_map(index, section, structures=True)
            for index, section in enumerate(moved)
            if section.any()
        }
        write_coco(folder / file, SliceSet(folder, records, masks, {"balls": volume}), "balls")
    request = Request(
        folder / "model.json",
        annotators=(folder / "ann.json",),
        settings=VolumeSettings(mesh=("none",)),
    )
    reconstruct(request, folder / "out")
    return folder / "out" / "balls.html"


@pytest.fixture(scope="module")
def page(page_file: Path, browser: Any) -> Iterator[Any]:
    """The page, open; every request beside the file itself and every error is noted."""
    opened = browser.new_page(viewport={"width": 1000, "height": 900})
    opened.noted = []
    opened.on("request", lambda one: opened.noted.append(one.url))
    opened.on("pageerror", lambda error: opened.noted.append(str(error)))
    opened.on("console", lambda one: opened.noted.append(one.text) if one.type == "error" else 0)
    opened.goto(page_file.as_uri())
    opened.wait_for_selector("html[data-ready=true]")
    yield opened
    opened.close()


def pixels(page: Any, selector: str) -> np.ndarray:
    png = page.locator(selector).screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture - colour).max(axis=2) < 40).sum())


def step_to(page: Any, index: int) -> None:
    page.locator("#slider").fill(str(index))
    page.wait_for_selector(f"html[data-slice='{index}']")


@pytest.mark.slow
def test_the_surface_is_drawn_and_turns(page: Any) -> None:
    assert page.locator("#no-webgl").is_hidden()
    before = pixels(page, "#mesh")
    hues = before.max(axis=2) - before.min(axis=2)
    assert (hues > 60).mean() > 0.05  # coloured surfaces on grey
    box = page.locator("#mesh").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    turn = page.locator("html").get_attribute("data-turn")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y + 20, steps=3)
    page.mouse.up()
    assert page.locator("html").get_attribute("data-turn") != turn
    assert (np.abs(pixels(page, "#mesh") - before).max(axis=2) > 30).mean() > 0.03


@pytest.mark.slow
def test_slices_step_with_both_outlines(page: Any) -> None:
    step_to(page, 0)
    assert count(pixels(page, "#slice"), YELLOW) == 0
    step_to(page, 6)
    shown = pixels(page, "#slice")
    assert "7 of 12" in page.locator("#place").inner_text()
    assert count(shown, YELLOW) > 100
    assert count(shown, BLUE) > 100
    page.locator("[data-reader='1']").uncheck()
    assert count(pixels(page, "#slice"), BLUE) == 0
    page.locator("[data-reader='1']").check()
    page.locator("#slice").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("html[data-slice='7']")


@pytest.mark.slow
def test_a_structure_can_be_hidden(page: Any) -> None:
    step_to(page, 6)
    whole = count(pixels(page, "#slice"), YELLOW)
    page.locator("[data-structure='2']").uncheck()
    assert 0 < count(pixels(page, "#slice"), YELLOW) < 0.7 * whole
    page.locator("[data-structure='2']").check()


@pytest.mark.slow
def test_the_page_needs_no_network_and_raises_no_error(page: Any, page_file: Path) -> None:
    outside = [one for one in page.noted if not one.startswith(("data:", page_file.as_uri()))]
    assert outside == []
    text = page_file.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text


def test_a_hostile_name_stays_text(page_file: Path, tmp_path: Path) -> None:
    name = "</script><b>x"
    volume = sequence_volume((8, 8), 3, (1.0, 1.0, 1.0), name)
    section = np.zeros((8, 8), np.uint8)
    section[2:6, 2:6] = 1
    records = tuple(
        SliceRecord(one, f"{one}.png", 8, 8, volume=name, index=one) for one in range(3)
    )
    masks = {one: SliceMasks.from_label_map(one, section) for one in range(3)}
    write_coco(tmp_path / "m.json", SliceSet(tmp_path, records, masks, {name: volume}), "x")
    made = reconstruct(
        Request(tmp_path / "m.json", settings=VolumeSettings(mesh=("none",))), tmp_path / "out"
    )
    (page,) = [file for file in made["files"] if file.endswith(".html")]
    text = (tmp_path / "out" / page).read_text(encoding="utf-8")
    assert "<b>x" not in text
    assert text.count("</script>") == 2
