"""Routes of nodes that are asked often: FastAPI describes them, and has no part in answering.

What it does for a request takes several times as long as claiming a job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, get_type_hints

from anyio.to_thread import run_sync
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from ...wire.node import Message
from ..auth.bearer import bearer
from ..auth.nodes import known, signed_in
from ..bounds import MOST_BYTES
from ..context import Service
from ..runtimes.nodes import Node
from .bodies import raw_body


@dataclass(frozen=True, slots=True)
class Sender:
    """A node whose token is right; it may have been deleted since that was looked at.

    ``is_gone``: whether it does not wait for the answer any more."""

    service: Service
    node_id: str
    runtime_id: int
    is_gone: Callable[[], Awaitable[bool]]


async def sender(request: Request) -> Sender:
    """Raises ApiError for a token that no node has signed."""
    service: Service = request.app.state.service
    token = bearer(request)
    if (found := known(token)) is not None:
        return Sender(service, found.node_id, found.runtime_id, request.is_disconnected)
    node = await run_sync(_verified, service, token)
    return Sender(service, node.id, node.row.runtime_id, request.is_disconnected)


def _verified(service: Service, token: str) -> Node:
    with service.database.read() as connection:
        return signed_in(connection, token)


Sent = Annotated[Sender, Depends(sender)]


class NodeRoute(APIRoute):
    """Of a function that takes a message and a ``Sender``, and parts of the path as they are named in it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self.app = self._answering()

    def _answering(self) -> ASGIApp:
        hints = get_type_hints(self.endpoint)
        message: type[Message] = hints[next(iter(signature(self.endpoint).parameters))]

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            asking = await sender(request)
            raw = await raw_body(request, MOST_BYTES)
            try:
                said = message.model_validate_json(raw)
            except ValidationError as error:
                raise RequestValidationError(
                    [each | {"loc": ("body", *each["loc"])} for each in error.errors()]
                ) from error
            answer: Message | None = await self.endpoint(said, asking, **request.path_params)
            told = "null" if answer is None else answer.model_dump_json()
            await Response(told, media_type="application/json")(scope, receive, send)

        return answered
