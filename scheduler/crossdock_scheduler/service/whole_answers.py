"""HTTP whose answers leave in one piece.

uvicorn sends their heads alone, and each send takes a seventh of all that a small request does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import h11


class Gathering:
    """A transport whose writes of one turn of the event loop are one; it is ``plain`` in all else."""

    def __init__(self, plain: asyncio.Transport) -> None:
        self.plain = plain
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(data)

    def flush(self) -> None:
        if self._waiting:
            data, self._waiting = b"".join(self._waiting), []
            self.plain.write(data)

    def close(self) -> None:
        self.flush()
        self.plain.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


class WholeAnswers(H11Protocol):
    """uvicorn's own, over such a transport; WebSockets have the plain one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Gathering(transport)))

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        gathering = cast("Gathering", self.transport)
        gathering.flush()
        self.transport = gathering.plain
        super().handle_websocket_upgrade(event)
