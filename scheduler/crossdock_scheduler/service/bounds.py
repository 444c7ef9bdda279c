"""No body is read without end, whoever sends it: nodes register before anybody knows them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REGISTERING = 1 << 16
# A result has what a Lookup has read: four million bytes, as JSON in JSON.
MOST_BYTES = 32 << 20


class Bounds:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = REGISTERING if scope["path"] == "/crossdock/v1/nodes/register" else MOST_BYTES

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, "The body is too large.")
            return message

        await self._app(scope, bounded, send)
