"""The page of all settings says what the classes say, and there are not too many of them."""

from pathlib import Path

import pytest

from fewshot.config.leaves import Leaf, count_leaves, leaves
from fewshot.config.sam import FinetuneSettings
from fewshot.config.tree import RunSettings
from settings_reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
# The number that README and docs/settings.md tell; it should not grow without a reason.
KNOWN = 113


def test_the_page_is_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: python scripts/settings_reference.py > docs/settings.md"
    )


def test_the_number_of_settings_is_known() -> None:
    assert count_leaves(RunSettings) == KNOWN


@pytest.mark.parametrize(
    "leaf", [*leaves(RunSettings), *leaves(FinetuneSettings)], ids=lambda leaf: str(leaf.path)
)
def test_every_setting_says_what_it_is(leaf: Leaf) -> None:
    assert leaf.field.description is not None
    assert leaf.field.description.endswith(".")
