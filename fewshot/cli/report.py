"""`fewshot report`: the page of one run, or of two side by side."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, print_json
from fewshot.progress import say


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    other: Annotated[
        Path | None,
        typer.Argument(help="A second run directory, to be compared with.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="HTML file to write; in the (second) run when left out."),
    ] = None,
    json_: Json = False,
) -> None:
    """Write the report of a run anew, or compare two runs: one HTML file that opens anywhere."""
    from fewshot.report.compare import report_two
    from fewshot.report.page import report_run

    target = report_run(run, out) if other is None else report_two(run, other, out)
    say(f"report: {target}")
    if json_:
        print_json({"file": str(target), "bytes": target.stat().st_size})
