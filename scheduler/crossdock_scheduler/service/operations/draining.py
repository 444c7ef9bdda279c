"""How the service stops: it says so, then answers what is asked already, then ends."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from ..context import Service

# Seconds in which an answer, once it is whole, reaches the client.
_GOODBYE = 0.5


@dataclass(slots=True)
class Drain:
    """``began``: the service is about to stop, and nothing may be waited for any more."""

    began: bool = False


class DrainingServer(uvicorn.Server):
    """Told to stop, it first says that it is not ready, for ``delay`` seconds, and lets nobody wait longer.

    Told so again, it ends without waiting for requests. ``ready`` is called when it serves: it can be told to
    stop from before that on.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, delay: float, ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service, self._delay, self._ready = service, delay, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but that the signal does not end the process afterwards: stopping is no failure."""
        before = {each: signal.signal(each, self._told) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _told(self, number: int, _: object) -> None:
        if self.should_exit:
            # Nothing is lost: what was answered is stored.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.should_exit = True

    async def main_loop(self) -> None:
        await super().main_loop()
        self._service.drain.began = True
        for bell in (self._service.new_jobs, self._service.changed):
            bell.ring_all()
        await asyncio.sleep(self._delay)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hanging_up = asyncio.create_task(self._hang_up())
        try:
            await super().shutdown(sockets)
        finally:
            hanging_up.cancel()

    async def _hang_up(self) -> None:
        """End connections on which nothing is asked any more: asyncio waits half a minute for a client to
        say goodbye in TLS, and clients with a pool of connections never do."""
        idle: set[object] = set()
        while True:
            await asyncio.sleep(_GOODBYE)
            now = {each for each in self.server_state.connections if _is_idle(each)}
            for each in now & idle:
                each.transport.abort()
            idle = set(now)


def _is_idle(connection: Any) -> bool:
    """A WebSocket has no cycle of requests and answers."""
    return hasattr(connection, "cycle") and (connection.cycle is None or connection.cycle.response_complete)
