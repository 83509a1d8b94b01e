"""`fewshot review`: a page on this machine for going through soft labels, mask by mask."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, print_json
from fewshot.errors import InputError
from fewshot.progress import say


def review(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run directory, or annotations.json of soft-label.", show_default=False
        ),
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 0,
    json_: Json = False,
) -> None:
    """Go through soft labels in a browser: accept, reject or delete single masks with keys.

    Decisions are saved at once to review.json in the run directory, which fewshot run --resume and
    train-final --review honour. The page is for this machine alone; stop with Ctrl-C.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InputError(
            "review: its web server is not installed; pip install 'fewshot[review]' "
            "(starlette and uvicorn)"
        )
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
