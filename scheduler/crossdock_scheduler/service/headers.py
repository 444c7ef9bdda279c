"""What every answer carries: the ids by which a request is found again."""

from __future__ import annotations

from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLIENT_ID = "x-ms-client-request-id"


class AnswerHeaders:
    """ASGI middleware. ``scope["crossdock.request_id"]`` is the request's id for logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked, request_id = Headers(scope=scope), str(uuid4())

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-ms-request-id"] = request_id
                headers["x-ms-correlation-request-id"] = asked.get("x-ms-correlation-request-id", request_id)
                if client := asked.get(_CLIENT_ID):
                    headers[_CLIENT_ID] = client
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app({**scope, "crossdock.request_id": request_id}, receive, answer)
