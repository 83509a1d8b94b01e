"""The review page in a real browser, by keys and by buttons."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewshot.masks.coco import read_coco
from fewshot.radiologists.review import mask_key

Visit = Callable[..., Any]
VERDICTS = {"a": "accept", "r": "reject", "d": "delete"}


def in_order(run: Path) -> list[str]:
    """The keys of all masks, in the order in which they are shown."""
    soft = read_coco(run / "soft_labels" / "annotations.json")
    return [
        mask_key(record, rle)
        for record in soft.records
        for rle in soft.masks_of(record.image_id).rles
    ]


def saved(run: Path) -> dict[str, str]:
    masks = json.loads((run / "review.json").read_text())["masks"]
    return {key: entry["decision"] for key, entry in masks.items()}


def press(page: Any, *keys: str) -> None:
    for key in keys:
        before = page.evaluate("document.body.dataset.mask")
        page.keyboard.press(key)
        page.wait_for_function("before => document.body.dataset.mask !== before", arg=before)


def settled(page: Any, done: int) -> None:
    page.wait_for_function(
        "done => document.getElementById('status').textContent.startsWith('Saved')"
        " && document.getElementById('bar').value === done",
        arg=done,
    )


def test_twenty_masks_by_keyboard(visit: Visit, address: str, soft_run: Path) -> None:
    page = visit(address)
    page.wait_for_selector("body[data-mask]")
    keys = "aardadraaaddrraaadra"
    press(page, *keys)
    settled(page, 20)
    masks = in_order(soft_run)
    assert len(masks) > 20
    assert saved(soft_run) == {mask: VERDICTS[key] for mask, key in zip(masks, keys, strict=False)}
    assert page.locator("#progress").text_content() == f"20 of {len(masks)} masks decided"


def test_a_reload_loses_nothing_and_goes_on_where_one_stopped(
    visit: Visit, address: str, soft_run: Path
) -> None:
    page = visit(address)
    page.wait_for_selector("body[data-mask]")
    press(page, "a", "r")
    page.keyboard.press("d")
    page.reload()  # at once, without waiting for anything to be saved
    page.wait_for_selector("body[data-mask]")
    unanswered = "sessionStorage.getItem('fewshot-review-unanswered')"
    page.wait_for_function(f"['{{}}', null].includes({unanswered})")
    masks = in_order(soft_run)
    assert saved(soft_run) == dict(zip(masks, ("accept", "reject", "delete"), strict=False))
    assert page.evaluate("document.body.dataset.mask") == masks[3]
    assert page.locator("#bar").evaluate("bar => bar.value") == 3


def test_going_back_taking_back_and_changing_ones_mind(
    visit: Visit, address: str, soft_run: Path
) -> None:
    page = visit(address)
    page.wait_for_selector("body[data-mask]")
    press(page, "a", "a", "ArrowLeft")
    page.keyboard.press("u")
    settled(page, 1)
    masks = in_order(soft_run)
    assert saved(soft_run) == {masks[0]: "accept"}
    press(page, "ArrowLeft", "d", "ArrowDown", "ArrowUp", "n")
    assert page.evaluate("document.body.dataset.mask") == masks[1]
    settled(page, 1)
    assert saved(soft_run) == {masks[0]: "delete"}


def test_buttons_and_outlines_do_the_same(visit: Visit, address: str, soft_run: Path) -> None:
    page = visit(address)
    page.wait_for_selector("body[data-mask]")
    page.get_by_role("button", name="Reject").click()
    settled(page, 1)
    assert list(saved(soft_run).values()) == ["reject"]
    first = page.locator("#masks button").first
    assert first.text_content().endswith("rejected")
    first.click()
    page.wait_for_function("document.getElementById('mask').textContent.startsWith('Mask 1')")
    assert page.locator("#outlines path.reject").count() == 1
    page.keyboard.press("o")
    assert not page.locator("#outlines").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_passes_the_accessibility_check(
    visit: Visit, accessibility: Callable[[Any], list[str]], address: str, scheme: str
) -> None:
    page = visit(address, color_scheme=scheme)
    page.wait_for_selector("body[data-mask]")
    press(page, "a", "r", "d")
    assert accessibility(page) == []
    assert page.locator("#image").evaluate("image => image.naturalWidth") == 768
