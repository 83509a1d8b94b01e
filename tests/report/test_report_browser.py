"""The report in a real browser: sorting, toggles, themes, phone, print and accessibility."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.drawing.contours import data_uri
from fewshot.report.gallery import Gallery, GallerySlice, Layer, Order, picture
from fewshot.report.html import Section, render_page

Visit = Callable[..., Any]
SLICES = 20


def drawn(number: int) -> GallerySlice:
    image = np.full((32, 32), 10 * number, np.uint8)
    score = (7 * number % SLICES) / SLICES
    square = "M4 4l20 0 0 20 -20 0z"
    return GallerySlice(
        f"{number}.png",
        picture(image, (64, 64), 50),
        64,
        64,
        layers={"truth": [(1, square)], "final": [(1, square), (0, "M40 40l9 0 0 9z")]},
        values={"all": score, "missed": number} if number else {},
        captions={"final": f"ARI {score:.3f}"},
        note="<b>a note</b>",
    )


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with nothing but a gallery, and its address."""
    target = tmp_path_factory.mktemp("gallery") / "gallery.html"
    gallery = Gallery(
        "slices",
        [Layer("truth", "truth"), *(Layer(name, name) for name in ("a", "b", "final"))],
        [
            Order("all", "ARI, all pixels"),
            Order("missed", "Missed", highest_first=True),
            Order("x", "a very long name of an order " * 4),
        ],
        [drawn(number) for number in range(SLICES)],
    )
    template = "{{ slices(gallery, 'Slices') }}"
    section: Section[Gallery] = Section(
        "slices", "Slices", "Slices", template, lambda gallery: {"gallery": gallery}
    )
    target.write_text(render_page("gallery", "", [section], gallery), encoding="utf-8")
    return target.as_uri()


def shown(page: Any) -> list[str]:
    names: list[str] = page.locator(".slice strong").all_text_contents()
    return names


def test_worst_slices_come_first_and_every_order_can_be_had(visit: Visit, gallery: str) -> None:
    page = visit(gallery)
    by_score = sorted(range(1, SLICES), key=lambda number: 7 * number % SLICES)
    worst_first = [f"{number}.png" for number in [*by_score, 0]]  # without a score: last
    assert shown(page) == worst_first[:8]
    page.get_by_role("button", name="Next").click()
    assert shown(page) == worst_first[8:16]
    assert page.locator(".status").text_content() == "9 to 16 of 20 slices"
    page.get_by_role("button", name="Lowest first").click()
    assert shown(page) == [f"{number}.png" for number in by_score[::-1]][:8]
    page.get_by_label("Sort by").select_option(label="Missed")
    assert shown(page) == [f"{number}.png" for number in range(19, 11, -1)]
    assert page.get_by_role("button", name="Highest first").is_visible()
    page.get_by_label("Sort by").select_option(label="file")
    assert shown(page) == [f"{number}.png" for number in range(8)]
    assert page.get_by_role("button", name="Previous").is_disabled()


def test_a_long_name_of_an_order_fits_a_phone(visit: Visit, gallery: str) -> None:
    page = visit(gallery, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_outlines_and_layers_can_be_turned_off_and_on(visit: Visit, gallery: str) -> None:
    page = visit(gallery)
    outlines = page.locator(".slice >> nth=0 >> .panel[data-layer=final] svg path:not(.truth)")
    assert outlines.count() == 2
    assert outlines.first.is_visible()
    page.get_by_label("outlines").uncheck()
    assert not outlines.first.is_visible()
    page.get_by_label("outlines").check()
    truth = page.locator(".slice >> nth=0 >> .panel[data-layer=final] svg path.truth")
    assert not truth.first.is_visible()
    page.get_by_label("truth over all, dashed").check()
    assert truth.first.is_visible()
    page.get_by_label("final", exact=True).uncheck()
    page.get_by_role("button", name="Next").click()  # it holds for the next page too
    assert not page.locator(".panel[data-layer=final]").first.is_visible()
    assert page.locator(".panel[data-layer=truth]").first.is_visible()


def test_every_picture_says_what_is_on_it(visit: Visit, gallery: str) -> None:
    page = visit(gallery)
    image = page.locator(".panel[data-layer=final] img").first
    words = image.get_attribute("alt")
    assert re.fullmatch(r"\d+\.png, final: 2 regions outlined, 1 with a partner", words)
    assert page.locator(".slice figcaption").first.text_content().endswith("<b>a note</b>")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_run_passes_the_accessibility_check(
    visit: Visit, accessibility: Callable[[Any], list[str]], report_of_a_run: Path, scheme: str
) -> None:
    page = visit(report_of_a_run.as_uri(), color_scheme=scheme)
    assert page.locator(".slice").count() > 2
    assert accessibility(page) == []


def test_the_page_of_a_run_fits_a_phone_and_its_pictures_load(
    visit: Visit, report_of_a_run: Path
) -> None:
    page = visit(report_of_a_run.as_uri(), viewport={"width": 360, "height": 740})
    width, visible = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= visible
    broken = page.evaluate(
        """async () => {
            const shown = [...document.images].filter(one => one.offsetParent !== null);
            await Promise.all(shown.map(one => one.decode()));
            return [shown.length, shown.filter(one => !one.naturalWidth).length];
        }"""
    )
    assert broken[0] > 20
    assert broken[1] == 0


def test_the_page_of_a_run_prints_without_controls(visit: Visit, report_of_a_run: Path) -> None:
    page = visit(report_of_a_run.as_uri())
    page.emulate_media(media="print")
    assert not page.locator(".controls").first.is_visible()
    assert page.locator("figure > img.light").first.is_visible()
    assert not page.locator("figure > img.dark").first.is_visible()
    assert len(page.pdf()) > 50_000


def test_json_in_the_page_cannot_end_the_script() -> None:
    wicked = GallerySlice("</script><b>", data_uri("image/png", b""), 1, 1, {}, {})
    text = Gallery("slices", [], [Order("all", "all")], [wicked]).as_json()
    assert "<" not in text
    assert json.loads(text)["slices"][0]["t"] == "</script><b>"
