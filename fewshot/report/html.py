"""Rendering of self-contained pages: templates, filters, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fewshot.report import sections
from fewshot.report.findings import METRIC_WORDS
from fewshot.report.number_format import decimals, duration, fraction, span

_FOLDER = Path(__file__).parent
_SCRIPT = "gallery.js"


def render(template: str, content: Mapping[str, Any]) -> str:
    """Return a page as one HTML text without links to others.

    Its content security policy allows the one script that the page holds, by its digest, and
    pictures that are in it.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(score=decimals, fraction=fraction, duration=duration, span=span)
    script = f"\n{(_FOLDER / _SCRIPT).read_text(encoding='utf-8')}"
    environment.globals.update(
        role=sections.role,
        metric_words=METRIC_WORDS,
        script=Markup(script),
        script_digest=_digest(script),
    )
    return environment.get_template(template).render(content)


def _digest(script: str) -> str:
    """Return a script's digest as a content security policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
