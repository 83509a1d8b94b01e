"""`fewshot doctor` checks the installation; `fewshot setup` installs what pip alone cannot."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli.options import Json, print_json, print_line

Source = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        exists=True,
        help="The source release pb1-detectron2-0.6.tar.gz, or its folder; needs no network.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Install without asking.")]


def doctor(json_: Json = False) -> None:
    """Check what is installed, which devices and weights there are, and say what to do."""
    from fewshot.detector.doctor import examine

    checks = examine()
    healthy = all(check.fine or not check.needed for check in checks)
    if json_:
        values: dict[str, Any] = {check.name: vars(check) for check in checks}
        print_json({"healthy": healthy, "checks": values})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok     " if check.fine else "MISSING" if check.needed else "absent "
            print_line(f"{mark}  {check.name:{width}}  {check.found}")
            if check.mend:
                print_line(f"{'':9}{'':{width}}  to fix: {check.mend}")
        print("ready" if healthy else "fewshot run cannot work; see the lines marked MISSING")
    if not healthy:
        raise typer.Exit(1)


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
    """Offer on a terminal to install Detectron2; return whether it was installed."""
    import sys

    from fewshot.detector import installation

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    if not typer.confirm(QUESTION, default=True, err=True):
        return False
    installation.install()
    return True
