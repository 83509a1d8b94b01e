"""Self-contained pages: sections, templates, and a content security policy."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fewshot.metrics.slice_metrics import decimals
from fewshot.report.wording import METRIC_WORDS, duration, fraction, role, span
from fewshot.run.layout import RunLayout
from fewshot.text import NOTICE

_FOLDER = Path(__file__).parent
_SCRIPT = "gallery.js"
_Subject = TypeVar("_Subject")


@dataclass(frozen=True)
class Section(Generic[_Subject]):
    """A part of a page about a subject, such as the results of a run.

    Attributes:
        key: its anchor in the page.
        title: its name in the table of contents.
        heading: above it.
        template: its HTML, a Jinja template that may use the macros of `macros.html.jinja`.
        build: returns the values for the template.
        reads: returns the files in a run directory that it is made from, besides the scores.
    """

    key: str
    title: str
    heading: str
    template: str
    build: Callable[[_Subject], Mapping[str, Any]]
    reads: Callable[[RunLayout], Iterable[Path]] = lambda layout: ()


def render_page(
    title: str, facts: str, sections: Sequence[Section[_Subject]], subject: _Subject
) -> str:
    """Return a page as one self-contained HTML text.

    Its content security policy allows only its own script, by digest, and embedded pictures.

    Args:
        title: its heading.
        facts: a line below the heading.
        sections: in order.
        subject: of the sections.
    """
    environment = _environment()
    bodies = [
        Markup(environment.from_string(section.template).render(section.build(subject)))
        for section in sections
    ]
    script = f"\n{(_FOLDER / _SCRIPT).read_text(encoding='utf-8')}"
    return environment.get_template("page.html.jinja").render(
        title=title,
        facts=facts,
        sections=list(zip(sections, bodies, strict=True)),
        script=Markup(script),
        script_digest=_digest(script),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(score=decimals, fraction=fraction, duration=duration, span=span)
    environment.globals.update(role=role, metric_words=METRIC_WORDS, notice=NOTICE)
    macros = environment.get_template("macros.html.jinja").module
    names = (name for name in vars(macros) if not name.startswith("_"))
    environment.globals.update({name: getattr(macros, name) for name in names})
    return environment


def _digest(script: str) -> str:
    """Return a script's digest as in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
