"""`fewshot setup`: what pip alone cannot install."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, print_json

Source = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        exists=True,
        help="The source release pb1-detectron2-0.6.tar.gz, or a folder that holds it: no network.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Install without asking.")]


def setup(source: Source = None, yes: Yes = False, json_: Json = False) -> None:
    """Install Detectron2 (its Python part, 2 MB from PyPI, no compiler, verified by SHA-256)."""
    from fewshot.detector import installation

    if installation.installed_build() is None and not yes:
        typer.confirm(QUESTION, abort=True)
    build = installation.install(source)
    if json_:
        print_json({"detectron2": build})


QUESTION = "Detectron2 is not installed. Install its Python part now (2 MB, no compiler)?"


def offer_setup() -> bool:
    """Ask on a terminal whether Detectron2 shall be installed, and do it; return whether it was."""
    import sys

    from fewshot.detector import installation

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    if not typer.confirm(QUESTION, default=True, err=True):
        return False
    installation.install()
    return True
