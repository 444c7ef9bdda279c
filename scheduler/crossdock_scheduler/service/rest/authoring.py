"""``/crossdock/v1/.../integrationRuntimes/{name}/``: what stores and databases have, asked of a node."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from ...pipeline.looking import Kind, Look
from ..context import Call, Contributor, signed_in
from ..errors import ApiError
from ..relay.asking import Asking, answered, prepared
from .bodies import Body
from .runtimes import ONE, serving

MOST_SECONDS = 100.0
"""As long Data Factory waits for an answer."""

router = APIRouter(tags=["InteractiveAuthoring"], dependencies=[Depends(signed_in)])


class _Asked(Look):
    timeout: float = Field(default=MOST_SECONDS, gt=0, le=MOST_SECONDS)


_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _Asked.model_json_schema()}}}
}


def _route(kind: Kind, summary: str) -> None:
    async def ask(name: str, body: Body, call: Contributor) -> Response:
        asking = await run_sync(partial(_prepared, call, name, kind, body))
        return await _unless_gone(call, asking)

    ask.__doc__, ask.__name__ = summary, kind
    router.post(f"/crossdock/v1{ONE}/{kind.lower()}", openapi_extra=_BODY, response_model=None)(ask)


_route("testConnection", "Reach a linked service from a node and sign in: what answered, as whom.")
_route("browse", "One level of what is there: containers, folders, files; schemas, tables, columns.")
_route("schema", "The columns of a dataset, or of a file or table of a linked service.")
_route("preview", "The first rows of a dataset, or of a file or table of a linked service.")


def _prepared(call: Call, name: str, kind: Kind, body: dict[str, Any]) -> Asking:
    try:
        asked = _Asked.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = str(first["msg"]).removeprefix("Value error, ")
        raise ApiError(400, f"{where}: {message}" if where else message, target=where) from None
    look = Look.model_validate(asked.model_dump(exclude={"timeout"}))
    with call.write() as (connection, factory):
        runtime = serving(connection, factory, name)
        return prepared(
            connection, call.service, factory, runtime, name, kind=kind, look=look, seconds=asked.timeout
        )


async def _unless_gone(call: Call, asking: Asking) -> Response:
    """The answer; without the one who has asked, nobody goes on with it."""
    found: Response = Response(status_code=499)
    problem: Exception | None = None
    async with anyio.create_task_group() as group:

        async def gone() -> None:
            while (await call.request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(gone)
        try:
            found = JSONResponse(await answered(call.service, asking))
        except Exception as error:  # noqa: BLE001 - raised outside: the group would make another of it
            problem = error
        group.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return found
