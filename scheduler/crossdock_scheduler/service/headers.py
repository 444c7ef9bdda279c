"""What every answer carries: the ids by which a request is found again."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import clock

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


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


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
                said = {
                    "date": _date(int(clock.now())), "x-ms-request-id": made,
                    "x-ms-correlation-request-id": asked.get("x-ms-correlation-request-id", made),
                    "x-content-type-options": "nosniff", "cache-control": "no-store", **more,
                }  # fmt: skip
                if client := asked.get(_CLIENT_ID):
                    said[_CLIENT_ID] = client
                raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]
                message = {**message, "headers": [*message["headers"], *raw]}
            await send(message)

        await self._app({**scope, _ID: made, _MORE: more}, receive, answer)
