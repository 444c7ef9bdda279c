"""The WebSockets that nodes have opened to this process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ... import clock
from ...wire import node as wire

_LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 4
"""Requests that a node has at once: each is a process there."""


class ChannelLost(Exception):
    """The node is gone before it has answered."""


@dataclass(slots=True)
class _Waiting:
    done: anyio.Event = field(default_factory=anyio.Event)
    answer: wire.Answered | None = None


@dataclass(slots=True, eq=False)
class Channel:
    """A node's end. It belongs to the event loop."""

    node_id: str
    socket: WebSocket
    waiting: dict[str, _Waiting] = field(default_factory=dict)

    async def ask(self, work: Mapping[str, Any], seconds: float) -> wire.Answered:
        """Cancelled, it tells the node. Raises ChannelLost."""
        asked_id, waiting = str(uuid4()), _Waiting()
        self.waiting[asked_id] = waiting
        try:
            await self._say(wire.Asked(id=asked_id, work=dict(work), seconds=seconds))
            await waiting.done.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(1, shield=True):
                await self._say(wire.Asked(id=asked_id))
            raise
        finally:
            del self.waiting[asked_id]
        if waiting.answer is None:
            raise ChannelLost
        return waiting.answer

    async def _say(self, message: wire.Asked) -> None:
        try:
            await self.socket.send_text(message.model_dump_json())
        except (WebSocketDisconnect, RuntimeError):
            # It is told of once, to whoever receives.
            if (waiting := self.waiting.get(message.id)) is not None:
                waiting.done.set()

    async def serve(self) -> None:
        """Take answers until the node is gone."""
        try:
            while True:
                answer = wire.Answered.model_validate_json(await self.socket.receive_text())
                if (waiting := self.waiting.get(answer.id)) is not None:
                    waiting.answer = answer
                    waiting.done.set()
        except WebSocketDisconnect:
            return
        except (ValidationError, KeyError) as error:
            _LOG.warning("a node does not speak the relay's protocol: %s", type(error).__name__)
            await self.close()
        finally:
            for each in self.waiting.values():
                each.done.set()

    async def close(self) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            await self.socket.close(1008)


@dataclass(slots=True)
class Channels:
    """One for each node: the latest. ``lost`` is when a node's broke, in seconds since 1970."""

    lost: dict[str, float] = field(default_factory=dict)
    _by_node: dict[str, Channel] = field(default_factory=dict)

    async def serve(self, node_id: str, socket: WebSocket) -> None:
        """As long as the node is connected."""
        channel = Channel(node_id, socket)
        before = self._by_node.get(node_id)
        self._by_node[node_id] = channel
        self.lost.pop(node_id, None)
        if before is not None:
            # Half open: the node knows nothing of it any more.
            await before.close()
        try:
            await channel.serve()
        finally:
            if self._by_node.get(node_id) is channel:
                del self._by_node[node_id]
                self.lost[node_id] = clock.now()

    def of(self, node_ids: Iterable[str]) -> list[Channel]:
        """Those of the nodes that are connected here, the least busy first."""
        found = [self._by_node[each] for each in node_ids if each in self._by_node]
        return sorted(found, key=lambda each: len(each.waiting))
