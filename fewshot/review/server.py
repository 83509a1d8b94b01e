"""The review page's web server: loopback only, with a new token at each start."""

import json
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fewshot.errors import FewshotError, InputError
from fewshot.review.access import Guard
from fewshot.review.session import ReviewSession
from fewshot.text import NOTICE, printable

_FOLDER = Path(__file__).parent
_LOOPBACK = "127.0.0.1"
_KINDS = {"page.css": "text/css", "page.js": "text/javascript"}
_LARGEST_BODY = 4096  # bytes; a decision takes about 60


class ReviewServer:
    """A server for one review; its `address` includes the token."""

    def __init__(self, session: ReviewSession, port: int = 0) -> None:
        """Take a port on loopback: that one, or with 0 any that is free.

        Raises `InputError` when the port is taken.
        """
        self._token = secrets.token_urlsafe(24)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((_LOOPBACK, port))
            self._socket.listen()  # a browser that is faster than the server waits
        except OSError as error:
            self._socket.close()
            raise InputError(
                f"--port {port}: cannot be used ({error.strerror}); leave it out, or give another"
            ) from error
        app = Guard(make_app(session, self._token), self._token, lambda: self.port)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(config)

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """The page's address, token included."""
        return f"http://{_LOOPBACK}:{self.port}/?token={self._token}"

    def serve(self) -> None:
        """Answer requests until interrupted or stopped."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Ask `serve`, in another thread, to return."""
        self._server.should_exit = True


def make_app(session: ReviewSession, token: str) -> Starlette:
    """Return the page and its requests as an ASGI application, without access control."""
    page = (
        Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
        .get_template("page.html.jinja")
        .render(token=token, notice=NOTICE)
    )

    def index(_request: Request) -> Response:
        return HTMLResponse(page)

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _KINDS:
            return PlainTextResponse("There is nothing here.", 404)
        return Response((_FOLDER / name).read_bytes(), media_type=_KINDS[name])

    def overview(_request: Request) -> Response:
        return JSONResponse(session.overview())

    def one_slice(request: Request) -> Response:
        found = session.slice(_number(request))
        return _missing() if found is None else JSONResponse(found)

    def picture(request: Request) -> Response:
        found = session.picture(_number(request))
        return _missing() if found is None else Response(found, media_type="image/png")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/static/{name}", static),
            Route("/slices", overview),
            Route("/slices/{image_id}", one_slice),
            Route("/pictures/{image_id}", picture),
            Route("/decisions", _decider(session), methods=["POST"]),
        ],
        exception_handlers={FewshotError: _as_text},
    )


def _decider(session: ReviewSession) -> Callable[[Request], Awaitable[Response]]:
    async def decide(request: Request) -> Response:
        body = b""
        async for part in request.stream():  # whatever Content-Length says
            body += part
            if len(body) > _LARGEST_BODY:
                return PlainTextResponse(
                    "A decision is smaller than this.", 413, {"Connection": "close"}
                )
        try:
            content = json.loads(body)
            key, verdict = content["key"], content["decision"]
            moment = content.get("moment", 0)
        except (ValueError, KeyError, TypeError, RecursionError):
            return PlainTextResponse("A decision has a key and a decision.", 400)
        words = isinstance(key, str) and isinstance(verdict, str | None)
        if not words or type(moment) is not int or not 0 <= moment <= _latest_moment():
            return PlainTextResponse("A decision has a key, a decision and the moment of it.", 400)
        return JSONResponse({"decisions": session.decide(key, verdict, moment)})

    return decide


def _latest_moment() -> int:
    """Return the latest allowed moment of a decision, in microseconds.

    A later one would override all following decisions. The browser is on this machine, but may
    count up from its last decision.
    """
    return int((time.time() + 3600) * 1e6)


def _number(request: Request) -> int:
    """Return the id of a slice in a path, or -1 for an impossible one."""
    text: str = request.path_params["image_id"]
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else -1


def _missing() -> Response:
    return PlainTextResponse("There is no such slice.", 404)


def _as_text(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(printable(str(error)), 400 if isinstance(error, InputError) else 500)
