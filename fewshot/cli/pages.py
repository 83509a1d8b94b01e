"""`fewshot report` and `fewshot review`: the page of a run, and the page to review soft labels."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, print_json
from fewshot.progress import say


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    other: Annotated[
        Path | None,
        typer.Argument(help="A second run directory to compare with.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="HTML file to write; by default in the (second) run."),
    ] = None,
    json_: Json = False,
) -> None:
    """Write the report of a run again, or compare two runs: one self-contained HTML file."""
    from fewshot.report.compare import report_two
    from fewshot.report.page import report_run

    target = report_run(run, out) if other is None else report_two(run, other, out)
    say(f"report: {target}")
    if json_:
        print_json({"file": str(target), "bytes": target.stat().st_size})


def review(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run directory, or annotations.json of soft-label.", show_default=False
        ),
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free port.")
    ] = 0,
    json_: Json = False,
) -> None:
    """Review soft labels in a browser: accept, reject or delete masks by keys.

    Decisions are saved at once to review.json in the run directory, which fewshot run --resume and
    train-final --review use. The page is only accessible from this machine; stop with Ctrl-C.
    """
    from fewshot.review.server import ReviewServer
    from fewshot.review.session import open_session

    session = open_session(run)
    server = ReviewServer(session, port)
    if json_:
        print_json({"address": server.address, "review": str(session.review)})
    say(f"open {server.address}")
    say(f"decisions go to {session.review}; stop with Ctrl-C")
    server.serve()
    say(f"{len(session.decisions())} decisions in {session.review}")
