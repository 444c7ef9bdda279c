"""The socket that the service listens on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from crossdock_scheduler.service.server import Settings, _listen


def test_answers_are_sent_at_once() -> None:
    """Else the body of each waits until the client has acknowledged its headers: 40 ms."""
    assert asyncio.run(_nodelay()) != 0


async def _nodelay() -> int:
    found = asyncio.get_running_loop().create_future()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    listening = _listen(Settings(Path(), port=0))
    async with await asyncio.get_running_loop().create_server(Protocol, sock=listening):
        _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        answer: int = await found
        writer.close()
        return answer
