"""``/crossdock/v1/nodes/relay``: the WebSocket over which interactive requests reach a node."""

from __future__ import annotations

import logging

from anyio.to_thread import run_sync
from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from ...wire import node as wire
from ..auth.bearer import bearer
from ..auth.nodes import signed_in
from ..context import Service
from ..definitions.names import RUNTIME
from ..definitions.resources import by_id
from ..errors import ApiError, error_body
from ..runtimes import runtimes
from ..runtimes.nodes import Node
from .node_protocol import Signed

_LOG = logging.getLogger(__name__)

router = APIRouter(prefix="/crossdock/v1/nodes", tags=["Nodes"])


@router.post("/authoring")
def authoring(asking: Signed) -> wire.Authoring:
    with asking.service.database.read() as connection:
        runtime = by_id(connection, RUNTIME, asking.node.row.runtime_id)
    return wire.Authoring(self_contained=runtimes.is_self_contained(runtime.properties))


@router.websocket("/relay")
async def relay(socket: WebSocket) -> None:
    """As long as both sides want to."""
    service: Service = socket.app.state.service
    try:
        node = await run_sync(_node, service, socket)
    except ApiError as error:
        body = error_body(error.code, error.message)
        await socket.send_denial_response(JSONResponse(body, error.status, error.headers))
        return
    await socket.accept()
    _LOG.info("the node %s has opened its relay", node.id)
    await service.channels.serve(node.id, socket)
    _LOG.info("the relay of the node %s is closed", node.id)


def _node(service: Service, socket: WebSocket) -> Node:
    if service.drain.began:
        raise ApiError(503, "The service is stopping.")
    try:
        with service.database.read() as connection:
            return signed_in(connection, bearer(socket))
    except SQLAlchemyError:
        raise ApiError(503, "The service cannot reach its database now.") from None
