"""Access control of the review page: this machine's browser, with the token."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import URL, Headers, QueryParams
from starlette.responses import PlainTextResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-fewshot-token"
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses requests that do not come from the page itself.

    The `Host` must be this machine's own name (against DNS rebinding), an `Origin` must have the
    same host and port, and the token must be in the query or in a header. Only the token protects
    against other users of this machine.
    """

    def __init__(self, app: App, token: str, port: Callable[[], int]) -> None:
        """`port` returns the port that the server listens on."""
        self._app, self._token, self._port = app, token, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.lower().encode(), value.encode()) for key, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        own = {f"{host}:{self._port()}" for host in _HOSTS}
        if headers.get("host") not in own:
            return PlainTextResponse("This page is for this machine's own address.", 403)
        origin = headers.get("origin")
        if origin is not None and (URL(origin).scheme, URL(origin).netloc) not in {
            ("http", host) for host in own
        }:
            return PlainTextResponse("Requests from other pages are refused.", 403)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return PlainTextResponse("Requests from other pages are refused.", 403)
        query = QueryParams(scope["query_string"])
        token = headers.get(TOKEN_HEADER) or query.get("token", "")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return PlainTextResponse(
                "The token is missing or wrong: open the address that fewshot review printed.", 403
            )
        return None
