"""What every answer carries: the ids by which a request is found again."""

from __future__ import annotations

from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLIENT_ID = "x-ms-client-request-id"
_ID, _MORE = "crossdock.request_id", "crossdock.more_headers"


def request_id(request: Request) -> str:
    """The request's id for logs."""
    return str(request.scope[_ID])


def address(request: Request) -> str:
    """Where it came from."""
    return request.client.host if request.client else ""


def answer_with(request: Request, name: str, value: str) -> None:
    """Whatever the answer will be, it has the header."""
    request.scope[_MORE][name] = value


class AnswerHeaders:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked, made = Headers(scope=scope), str(uuid4())
        more: dict[str, str] = {}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-ms-request-id"] = made
                headers["x-ms-correlation-request-id"] = asked.get("x-ms-correlation-request-id", made)
                if client := asked.get(_CLIENT_ID):
                    headers[_CLIENT_ID] = client
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-store"
                headers.update(more)
            await send(message)

        await self._app({**scope, _ID: made, _MORE: more}, receive, answer)
